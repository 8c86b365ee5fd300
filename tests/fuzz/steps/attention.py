"""Attention and its kin."""

import numpy as np

from random_graph import F32
from steps.registry import makes


def sizes(g):
    """(batch, query heads, heads of keys, queries, keys, head size, value size)."""
    kv = g.choose([1, 2])
    return (g.choose([1, 2]), kv * g.choose([1, 1, 2]), kv, g.choose([1, 3, 4]),
            g.choose([1, 4, 6]), g.choose([2, 4, 8]), g.choose([2, 4, 8]))


@makes("Attention")
def attention(g, op):
    dtype = g.draw_type(g.types(op))
    b, h, kv, q, k, d, e = sizes(g)
    flat = g.chance(0.4)
    draw = lambda heads, n, size: g.input(g.random(
        [b, n, heads * size] if flat else [b, heads, n, size], dtype))
    more = {"q_num_heads": h, "kv_num_heads": kv} if flat else {}
    past = g.chance(0.2)
    before = g.choose([1, 3]) if past else 0
    mask = ""
    if g.chance(0.5):
        shape = g.choose([[q, k + before], [1, 1, q, k + before], [b, h, q, k + before]])
        mask = g.input(g.random(shape, dtype)) if g.chance(0.6) else \
            g.input((g.np.random(shape) < 0.7) | (np.arange(k + before) == 0))
    inputs = [draw(h, q, d), draw(kv, k, d), draw(kv, k, e), mask]
    if past:
        inputs += [g.input(g.random([b, kv, before, n], dtype)) for n in (d, e)]
    outputs = [True, past, past, g.chance(0.2)]
    # with a past, ONNX Runtime lets the last query see all keys, whatever their number
    causal = g.rng.randrange(2) if q == k or not past else None
    return g.node(op, inputs, outputs, is_causal=g.maybe(causal, 0.3),
                  scale=g.maybe(0.4), softcap=g.maybe(2.0, 0.2),
                  qk_matmul_output_mode=g.maybe(g.rng.randrange(3)) if outputs[3] else None, **more)


@makes("FlexAttention", "preview")
def flex_attention(g, op):
    b, h, kv, q, k, d, e = sizes(g)
    dtype = F32
    x = [g.input(g.random(s, dtype)) for s in ([b, h, q, d], [b, kv, k, d], [b, kv, k, e])]
    return g.node(op, x, domain="preview", scale=g.maybe(0.4))


@makes("LinearAttention")
def linear_attention(g, op):
    b, h, kv, n, _, d, e = sizes(g)
    rule = g.choose(["linear", "gated", "delta", "gated_delta"])
    dtype = F32
    part = lambda heads, size: g.input(g.random([b, n, heads * size], dtype, -0.5, 0.5))
    past = g.maybe(g.input(g.random([b, kv, d, e], dtype))) or ""
    decay = g.input(g.random([b, n, kv * g.choose([1, d])], dtype, -0.5, 0)) \
        if "gated" in rule else ""
    beta = g.input(g.random([b, n, kv], dtype, 0.1, 0.9)) if "delta" in rule else ""
    return g.node(op, [part(h, d), part(kv, d), part(kv, e), past, decay, beta], 2,
                  q_num_heads=h, kv_num_heads=kv, update_rule=rule, scale=g.maybe(0.5))


@makes("CausalConvWithState")
def causal_conv(g, op):
    b, c, n, k = g.choose([1, 2]), g.choose([1, 3, 4]), g.choose([1, 4, 7]), g.choose([2, 3, 4])
    dtype = F32
    x = g.input(g.random([b, c, n], dtype))
    bias = g.maybe(g.weights([c], dtype)) or ""
    past = g.maybe(g.input(g.random([b, c, k - 1], dtype))) or ""
    return g.node(op, [x, g.weights([c, 1, k], dtype), bias, past], 2,
                  activation=g.maybe(g.choose(["none", "silu", "swish"])))


@makes("RotaryEmbedding")
def rotary(g, op):
    dtype = g.draw_type(g.types(op))
    b, h, _, n, most, d, _ = sizes(g)
    most = max(most, n)
    flat = g.chance(0.4)
    x = g.input(g.random([b, n, h * d] if flat else [b, h, n, d], dtype))
    turned = g.choose([d, d, 2 * (d // 4) or d])
    more = {"interleaved": g.maybe(g.rng.randrange(2)), "num_heads": h if flat else None,
            "rotary_embedding_dim": turned if turned != d else None}
    by_place = g.chance(0.5)
    shape = [most, turned // 2] if by_place else [b, n, turned // 2]
    angles = [g.input(g.random(shape, dtype, -1, 1)) for _ in range(2)]
    at = g.input(g.np.integers(0, most, [b, n])) if by_place else ""
    return g.node(op, [x, *angles, at], **more)

"""Recurrent layers."""

from random_graph import F32
from steps.registry import makes

GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
ACTIVATIONS = ["Tanh", "Sigmoid", "Relu", "HardSigmoid", "LeakyRelu", "Softsign", "Softplus", "Elu",
               "Affine", "ScaledTanh", "ThresholdedRelu"]
WITH_ALPHA = {"HardSigmoid": 0.3, "LeakyRelu": 0.02, "Elu": 0.9, "Affine": 0.5, "ScaledTanh": 0.7,
              "ThresholdedRelu": 0.4}
WITH_BETA = {"HardSigmoid": 0.4, "Affine": 0.1, "ScaledTanh": 0.6}


def activations(g, op, directions):
    """The attributes of chosen functions."""
    each = {"RNN": 1, "GRU": 2, "LSTM": 3}[op]
    names = [g.choose(ACTIVATIONS) for _ in range(each)] * directions
    return {"activations": names,
            "activation_alpha": [WITH_ALPHA[n] for n in names if n in WITH_ALPHA] or None,
            "activation_beta": [WITH_BETA[n] for n in names if n in WITH_BETA] or None}


@makes("RNN GRU LSTM")
def recurrent(g, op):
    dtype = g.choose([F32, g.main])
    steps, batch, size, hidden = (g.choose([1, 2, 3, 5]), g.choose([1, 2, 3]),
                                  g.choose([1, 4, 7]), g.choose([1, 3, 8]))
    fit = [n for n in g.values if g.fits(n, (3,), [dtype], 1, -20, 20) and n not in g.constants]
    x = g.choose(fit) if fit and g.chance(0.5) else g.input(g.random([steps, batch, size], dtype))
    steps, batch, size = g.shape(x)
    if max(steps, batch, size) > 20:
        return None
    direction = g.choose(["forward", "reverse", "bidirectional"])
    d, gates = (2 if direction == "bidirectional" else 1), GATES[op]
    w = g.weights([d, gates * hidden, size], dtype, size)
    r = g.weights([d, gates * hidden, hidden], dtype, hidden)
    b = g.maybe(g.weights([d, 2 * gates * hidden], dtype)) or ""
    lengths = g.maybe(g.input(g.np.integers(1, steps + 1, batch).astype("int32")), 0.3) or ""
    h = g.maybe(g.input(g.random([d, batch, hidden], dtype)), 0.4) or ""
    inputs = [x, w, r, b, lengths, h]
    more = {"direction": g.maybe(direction) if direction == "forward" else direction}
    if op == "LSTM":
        inputs.append((g.maybe(g.input(g.random([d, batch, hidden], dtype)), 0.4) or "") if h
                      else "")
        inputs.append(g.maybe(g.weights([d, 3 * hidden], dtype), 0.3) or "")
    if op == "GRU":
        more["linear_before_reset"] = g.maybe(g.rng.randrange(2))
    if g.chance(0.3):
        more.update(activations(g, op, d))
    if g.chance(0.2) and op != "LSTM":  # ONNX Runtime clips an LSTM's old cell state, too
        more["clip"] = 1.5
    outputs = [g.chance(0.8) for _ in range(3 if op == "LSTM" else 2)]
    outputs = outputs if any(outputs) else [True]
    return g.node(op, inputs, outputs, hidden_size=hidden, **more)

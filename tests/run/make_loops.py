#!/usr/bin/env python3
"""Make the models of tests/run/loops.sh: loops whose carried values change size, and what ONNX Runtime
answers to them.

    python3 tests/run/make_loops.py

Written beside this file, all of it committed:

    models/loop_NAME.onnx
    models/loop_NAME/test_data_set_*/

Needs numpy, onnx and onnxruntime (tests/requirements.txt). Seeded: the same files every time.
"""

import pathlib
import shutil

import numpy as np
import onnx
import onnxruntime
from onnx import numpy_helper, parser

HERE = pathlib.Path(__file__).parent / "models"
HEAD = '<ir_version: 8, opset_import: ["" : 20]>\n'
random = np.random.default_rng(11)


def model(name, text, *data):
    proto = parser.parse_model(HEAD + text)
    onnx.checker.check_model(proto)
    shutil.rmtree(HERE / name, ignore_errors=True)
    onnx.save(proto, HERE / f"{name}.onnx")
    session = onnxruntime.InferenceSession(proto.SerializeToString(),
                                           providers=["CPUExecutionProvider"])
    for k, feed in enumerate(data):
        folder = HERE / name / f"test_data_set_{k}"
        folder.mkdir(parents=True)
        answers = zip(proto.graph.output, session.run(None, feed))
        files = [("input", [(v.name, feed[v.name]) for v in proto.graph.input]),
                 ("output", [(v.name, a) for v, a in answers])]
        for kind, values in files:
            for i, (key, v) in enumerate(values):
                text = numpy_helper.from_array(np.asarray(v), key).SerializeToString()
                (folder / f"{kind}_{i}.pb").write_bytes(text)


def floats(*shape):
    return random.standard_normal(shape).astype(np.float32)


def trips(n, *shape):
    return {"n": np.array(n, np.int64), "x": floats(*shape)}


# A list that grows by x in every round, from nothing; its length, each round, is collected.
model("loop_append", """g (int64 n, float[k] x) => (float[m] y, float[c,2] z) {
  start = Constant<value: tensor = float[0] {}>()
  cond = Constant<value: tensor = bool {1}>()
  y, z = Loop <body = body (int64 i, bool c, float[a] s) => (bool c2, float[b] s2, float[2] e) {
     c2 = Identity(c)
     s2 = Concat<axis=0>(s, x)
     two = Constant<value: tensor = int64[1] {2}>()
     length = Shape(s2)
     l = Cast<to=1>(length)
     e = Expand(l, two)
  }> (n, cond, start)
}""", *(trips(*t) for t in ((3, 2), (0, 4), (5, 1), (2, 0), (100, 37))))

# Rows that double.
model("loop_double", """g (int64 n, float[k,3] x) => (float[m,3] y) {
  cond = Constant<value: tensor = bool {1}>()
  y = Loop <body = body (int64 i, bool c, float[a,3] s) => (bool c2, float[b,3] s2) {
     c2 = Identity(c)
     t = Neg(s)
     s2 = Concat<axis=0>(s, t)
  }> (n, cond, x)
}""", *(trips(n, k, 3) for n, k in ((3, 2), (0, 4), (5, 1), (2, 0))))

# A matrix loses a column per round while it has one; a list gets what the columns add up to.
model("loop_shrink", """g (float[k,w] x, float[w] q) => (float[m,v] y, float[u] p, int64 r) {
  cond = Constant<value: tensor = bool {1}>()
  zero = Constant<value: tensor = int64 {0}>()
  y, p, r = Loop <body = body (int64 i, bool c, float[a,b] s, float[d] t, int64 rounds)
          => (bool c2, float[a2,b2] s2, float[d2] t2, int64 rounds2) {
     one = Constant<value: tensor = int64[1] {1}>()
     big = Constant<value: tensor = int64[1] {1000}>()
     s1 = Slice(s, one, big, one)
     s2 = Mul(s1, s1)
     m = ReduceSum<keepdims=0>(s2, one)
     t2 = Concat<axis=0>(t, m)
     o = Constant<value: tensor = int64 {1}>()
     rounds2 = Add(rounds, o)
     columns = Shape<start=1>(s2)
     none = Constant<value: tensor = int64[1] {0}>()
     more = Greater(columns, none)
     c2 = Squeeze(more)
  }> (, cond, x, q, zero)
}""", *({"x": floats(k, w), "q": floats(w)} for k, w in ((3, 2), (2, 5), (1, 1), (7, 9))))

# A loop in a loop; both append.
model("loop_nested", """g (int64 n, float[k] x) => (float[m] y) {
  cond = Constant<value: tensor = bool {1}>()
  y = Loop <body = body (int64 i, bool c, float[a] s) => (bool c2, float[b] s2) {
     c2 = Identity(c)
     s2 = Loop <body = inner (int64 j, bool d, float[e] t) => (bool d2, float[h] t2) {
        d2 = Identity(d)
        f = Cast<to=1>(j)
        one = Constant<value: tensor = int64[1] {1}>()
        g = Reshape(f, one)
        t2 = Concat<axis=0>(t, g, x)
     }> (i, cond, s)
  }> (n, cond, x)
}""", *(trips(*t) for t in ((3, 2), (0, 4), (5, 1), (4, 0), (8, 5))))

# What is collected has a size that the data decides; no trip count.
model("loop_collect", """g (float[k] x) => (float[m] y, float[c,e] z, int64[c2,nz] w) {
  cond = Constant<value: tensor = bool {1}>()
  y, z, w = Loop <body = body (int64 i, bool c, float[k] s)
          => (bool c2, float[k] s2, float[q] e, int64[t] u) {
     one = Constant<value: tensor = float {1}>()
     s2 = Sub(s, one)
     zero = Constant<value: tensor = float {0}>()
     most = ReduceMax<keepdims=0>(s2)
     c2 = Greater(most, zero)
     e = Concat<axis=0>(s2, s2)
     pos = Greater(x, zero)
     nz = NonZero(pos)
     first = Constant<value: tensor = int64[1] {0}>()
     sq = Squeeze(nz, first)
     u = Add(sq, i)
  }> (, cond, x)
}""", *({"x": np.array(v, np.float32)} for v in ([3, 1.5], [0, 5, 2, 8, -1], [1])))

# Only every second round appends.
model("loop_branch", """g (int64 n, float[k] x) => (float[m] y) {
  cond = Constant<value: tensor = bool {1}>()
  y = Loop <body = body (int64 i, bool c, float[a] s) => (bool c2, float[b] s2) {
     c2 = Identity(c)
     two = Constant<value: tensor = int64 {2}>()
     r = Mod(i, two)
     z = Constant<value: tensor = int64 {0}>()
     even = Equal(r, z)
     s2 = If (even) <
        then_branch = append () => (float[p] v) { v = Concat<axis=0>(s, x) },
        else_branch = negate () => (float[q] v2) { v2 = Neg(s) }>
  }> (n, cond, x)
}""", *(trips(*t) for t in ((3, 2), (0, 4), (5, 1), (4, 0), (8, 5))))

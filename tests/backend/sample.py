"""A sample of ONNX's official runner with onnxcc as its backend; usage: sample.py ONNXCC

The whole suite is tests/conformance; what is tested here is the way through the backend interface.
"""

import os
import sys
import unittest

import numpy as np
from onnx import helper
from onnx.backend.test import BackendTest

from onnxcc_backend import OnnxccBackend, OnnxccError

SAMPLE = ("test_add", "test_argmax_default_axis_example", "test_averagepool_2d_pads",
          "test_basic_conv_with_padding", "test_cast_FLOAT_to_BFLOAT16", "test_gather_0",
          "test_gelu_default_1_expanded", "test_lstm_defaults",
          "test_reduce_sum_do_not_keepdims_example", "test_scan9_sum", "test_softmax_large_number",
          "test_top_k", "test_single_relu_model",
          "test_Conv2d_groups", "test_operator_view")


class Backend(unittest.TestCase):
    """What the official runner does not ask for."""

    def test_run_node(self):
        node = helper.make_node("Sub", ["a", "b"], ["c"])
        a, b = np.float32([3, 4]), np.float32([1, 1])
        np.testing.assert_array_equal(OnnxccBackend.run_node(node, [a, b])[0], a - b)

    def test_inputs_by_name(self):
        node = helper.make_node("Sub", ["a", "b"], ["c"])
        one = helper.make_tensor_value_info
        graph = helper.make_graph([node], "g", [one("a", 1, ["N"]), one("b", 1, ["N"])],
                                  [one("c", 1, ["N"])])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])
        inputs = {"b": np.float32([1, 2, 3]), "a": np.float32([9, 9, 9])}
        np.testing.assert_array_equal(OnnxccBackend.run_model(model, inputs)[0], [8, 7, 6])

    def test_refusal(self):
        node = helper.make_node("Sub", ["a", "b"], ["c"])
        with self.assertRaisesRegex(OnnxccError, "Sub"):
            OnnxccBackend.run_node(node, [np.float32([1, 2]), np.float32([1, 2, 3])])

    def test_devices(self):
        self.assertTrue(OnnxccBackend.supports_device("CPU"))
        self.assertFalse(OnnxccBackend.supports_device("CUDA"))


def main():
    os.environ["ONNXCC"] = os.path.abspath(sys.argv[1])
    official = BackendTest(OnnxccBackend, __name__)
    for name in SAMPLE:
        official.include(f"^{name}_cpu$")
    suite = unittest.TestSuite([unittest.defaultTestLoader.loadTestsFromTestCase(Backend)])
    for case in official.test_cases.values():
        suite.addTests(unittest.defaultTestLoader.loadTestsFromTestCase(case))
    result = unittest.TextTestRunner(verbosity=0).run(suite)
    ran = result.testsRun - len(result.skipped)
    print(f"{ran} tests were run, {len(SAMPLE) + 4} expected")
    return 0 if result.wasSuccessful() and ran == len(SAMPLE) + 4 else 1


if __name__ == "__main__":
    sys.exit(main())

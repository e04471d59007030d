"""What Cloud TPU documents that it runs, and what a traced round asks for.

Source: "Available TensorFlow Ops", https://docs.cloud.google.com/tpu/docs/tensorflow-ops, of 2026-04-09: the list of
graph operators. It calls its list of refused Python functions incomplete, so an operator that is in neither is doubted
here. Assertions and `CheckNumerics` would run and be ignored there; Print, PyFunc, Unique, Where, string, sparse,
image-resizing-by-box and float64 operators are not in the list.
"""

import re

import tensorflow as tf

# Of the documented operators those that rounds have, or may come to have.
OPERATORS = """
    Abs AddN All Any ArgMax ArgMin AssignAddVariableOp AssignSubVariableOp AssignVariableOp AvgPool AvgPoolGrad
    BiasAdd BiasAddGrad BitwiseAnd BitwiseXor BroadcastTo Cast ClipByValue ConcatOffset ConcatV2 Const Conv2D
    Conv2DBackpropFilter Conv2DBackpropInput DivNoNan Elu EluGrad Equal Erf Exp ExpandDims Fill Floor FloorDiv
    FloorMod GatherV2 Greater GreaterEqual Identity IdentityN If InvertPermutation IsFinite LeakyRelu
    LeakyReluGrad Less LessEqual Log LogSoftmax LogicalAnd LogicalNot LogicalOr MatMul MatrixBandPart
    MatrixTriangularSolve Max Maximum Mean Minimum Mul Neg NoOp OneHot OnesLike Pack Pow Range ReadVariableOp
    RealDiv Reciprocal Relu ReluGrad Reshape ResizeNearestNeighbor RightShift Rsqrt RsqrtGrad Select Selu SeluGrad
    Shape ShapeN Sigmoid SigmoidGrad Sign Slice Softplus SoftplusGrad Split Sqrt SqrtGrad Square SquaredDifference
    Squeeze StatelessIf StopGradient StridedSlice StridedSliceGrad Sub Sum Tanh TanhGrad Tile Transpose Unpack
    ZerosLike
"""
DOCUMENTED = frozenset(OPERATORS.split())
# What the page, which is of TensorFlow 1, does not have under this name, and why it is none the less expected to run.
NEWER = {
    "AddV2": "Add of TensorFlow 2",
    "BatchMatMulV2": "BatchMatMul that broadcasts",
    "Einsum": "the page has tf.einsum among the functions that run",
    "Erfinv": "has a kernel for all XLA devices, in tensorflow/compiler/tf2xla/kernels/unary_ops.cc",
    "MatrixDiagPartV3": "MatrixDiagPart of other diagonals, too",
    "MatrixDiagV3": "MatrixDiag of other diagonals, too",
    "MatrixSetDiagV3": "MatrixSetDiag of other diagonals, too",
    "PartitionedCall": "the call of a function, which is compiled with its caller",
    "Placeholder": "an argument of the function",
    "SelectV2": "Select that broadcasts",
}
TYPES = {tf.bfloat16, tf.bool, tf.float32, tf.int32, tf.int64, tf.resource}
# Of the program that the bridge makes: shapes that only running tells (`f32[<=8]`), and ways to the host.
DYNAMIC = re.compile(r"\[[^\]]*<=")
HOST = re.compile(r"\b(custom-call|infeed|outfeed|recv|send)\(")


def doubts(function, *arguments: tf.TensorSpec) -> list[str]:
    """Returns what speaks against running a function on a TPU: operators, types, shapes, calls of the host.

    Args:
        function: of tensors.
        *arguments: their shapes, static, and types.
    """
    compiled = tf.function(lambda *tensors: function(*tensors), jit_compile=True, autograph=False)
    found = doubts_of_graph(compiled.get_concrete_function(*arguments).graph.as_graph_def())
    # What is not in the list the bridge may not even take.
    return found or doubts_of_program(compiled.experimental_get_compiler_ir(*arguments)(stage="hlo"))


def doubts_of_graph(graph) -> list[str]:
    """Returns the operators and types of a graph, and of the functions that it calls, that are not documented."""
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    types = {a.type for node in nodes for a in node.attr.values() if a.WhichOneof("value") == "type"}
    found = {f"operator {node.op}" for node in nodes if node.op not in DOCUMENTED | set(NEWER)}
    return sorted(found | {f"type {tf.as_dtype(each).name}" for each in types if tf.as_dtype(each) not in TYPES})


def doubts_of_program(program: str) -> list[str]:
    """Returns what the bridge's program leaves open until it runs, and its calls of the host."""
    found = {f"the host: {each}" for each in HOST.findall(program)}
    return sorted(found | ({"a dynamic shape"} if DYNAMIC.search(program) else set()))

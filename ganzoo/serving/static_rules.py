"""Rules of the contract that the files show by themselves: nothing is run, no variable is made."""

import re
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

from ganzoo.files import version_number
from ganzoo.serving.rules import Broken, NotApplicable, Rule, rule
from ganzoo.serving.saved import Place, Saved, SavedSignature
from ganzoo.serving.tensors import array_of
from ganzoo.serving.warm_up import MOST_RECORDS, WARM_UP_FILE

DEFAULT = "serving_default"
PREDICT = "tensorflow/serving/predict"
WARMUP_CURE = "write the records again (ganzoo.export does), or remove the file: with a bad one a server loads nothing"
# What the server's REST side can write.
JSON_TYPES = {
    "bool", "uint8", "int8", "int16", "int32", "uint32", "int64", "uint64", "float32", "float64", "string",
}  # fmt: skip
# Names that TensorFlow and Keras make up for what has none.
_MADE_UP = re.compile(r"(outputs?|inputs?|args?|a|tensor|keras_tensor|input_layer|unknown|identity)_\d+", re.IGNORECASE)
_PYTHON = {"PyFunc", "PyFuncStateless", "EagerPyFunc"}
# Ops that draw from a generator with a state, or write one. `Stateless...` draw from their inputs alone.
_STATE = re.compile(
    r"Random(?!Dataset).*|Stateful(?!PartitionedCall).*|Rng.*|NonDeterministicInts|Multinomial|"
    r"(Parameterized)?TruncatedNormal|Assign.*|Resource(Apply|Sparse|Scatter|Strided|CountUp).*|Scatter(?!Nd$).+|"
    r"Timestamp|(Stack|Queue|FIFOQueue|Barrier|Stage|Iterator|LookupTable(Insert|Remove)).*"
)
# Ops that reach out of the graph: to files, to the log, to the process itself.
_OUTSIDE = re.compile(
    r"(Read|Write)File|MatchingFiles|(Save|Restore|Print|Abort|Copy(Host)?|DebugIdentity)(V\d|Slice|Slices)?|ShardedFilename|"
    r"MergeV2Checkpoints|.*Reader(V2)?|Reader.*|.*Summary(V2)?|Write.*Summary|(TextLine|TFRecord|FixedLengthRecord)Dataset.*"
)
LARGE = 1024  # bytes from which a constant may be a weight
MARGIN = 0.1  # of the parameters' bytes: what else may lie beside them
MOST_WARMUP_BYTES = 1 << 28  # of a tensor: what is larger stands in no sensible record

RULES: list[Rule] = []


@rule(RULES, "export the model again, with ganzoo.export, which renames a folder when it is whole")
def layout(saved: Saved) -> Broken:
    """A version is <name>/<integer> with a whole saved_model.pb and variables."""
    where = str(saved.folder)
    number = version_number(saved.folder)
    if number is None:
        yield where, f"the name {saved.folder.name!r} is no integer of 64 bits, so a server does not see it"
    else:
        beside = sorted(path.name for path in saved.folder.parent.iterdir() if version_number(path) == number)
        if twins := [name for name in beside if name != saved.folder.name]:
            yield where, f"{twins[0]!r} is the same version once more"
    if saved.flaw:
        yield where, saved.flaw
    if saved.meta is None or not any(node.op == "VarHandleOp" for _, node in saved.nodes()):
        return
    if not (saved.folder / "variables" / "variables.index").exists():
        yield where, "the graph has variables, and there is no variables/variables.index"
        return
    try:
        for _ in stored_arrays(saved):
            pass
    except ValueError as error:
        yield f"{where}/variables", f"cannot be read: {error}"


@rule(RULES, "save it with tf.saved_model.save, as ganzoo.export does, which writes that tag")
def tag(saved: Saved) -> Broken:
    """One graph has the tag `serve` and no other."""
    if saved.flaw:
        raise NotApplicable(saved.flaw)
    if saved.meta is None:
        yield "saved_model.pb", f"the tags are {[list(each) for each in saved.tags]}"


@rule(RULES, "give one signature that name; it is what a request without a name gets")
def serving_default(saved: Saved) -> Broken:
    """There is a signature `serving_default`."""
    _served(saved)
    if DEFAULT not in saved.signatures:
        yield "saved_model.pb", f"the signatures are {sorted(saved.signatures)}"


@rule(RULES, "name the TensorSpecs of inputs and return a dict; the names are what clients write")
def names(saved: Saved) -> Broken:
    """Inputs and outputs have names that somebody chose."""
    for signature in _signatures(saved):
        for what, _ in signature.places():
            if _MADE_UP.fullmatch(what.split("'")[1]):
                yield signature.name, f"{what} is a name that nobody chose"


@rule(RULES, "save it with tf.saved_model.save, which writes that method name")
def method_name(saved: Saved) -> Broken:
    """The method of every signature is tensorflow/serving/predict."""
    for signature in _signatures(saved):
        if signature.method != PREDICT:
            yield signature.name, f"the method is {signature.method!r}"


@rule(RULES, "write TensorSpec([None, ...]) and keep the shape of an image fixed (tf.ensure_shape)")
def batch_dimension(saved: Saved) -> Broken:
    """Dimension 0 is free in inputs and outputs of rows; the other dimensions of outputs are fixed."""
    for signature in _by_row(saved):
        for what, place in signature.places():
            if not place.shape.rank:
                continue  # judged by `rows` and `output_rank`
            if place.shape[0] is not None:
                yield signature.name, f"{what} is {place}: dimension 0 is {place.shape[0]}"
            if what.startswith("output") and None in place.shape.as_list()[1:]:
                yield signature.name, f"{what} is {place}: a row has no fixed shape"


@rule(RULES, "return a row for each row; a server can neither batch nor write a scalar row by row")
def output_rank(saved: Saved) -> Broken:
    """Every output has a rank, 1 or more."""
    for signature in _signatures(saved):
        for name, place in signature.outputs.items():
            if not place.shape.rank:
                yield signature.name, f"output {name!r} is {place}"


@rule(RULES, "give each input a value a row, [B]; only generate and generate_png may take scalars")
def rows(saved: Saved) -> Broken:
    """Every input has rows, but for `generate` and `generate_png`: a server that batches refuses scalars."""
    for signature in _by_row(saved):
        if not signature.inputs:
            yield signature.name, "takes no input, so it has no rows"
        for name, place in signature.inputs.items():
            if not place.shape.rank:
                yield signature.name, f"input {name!r} is {place}"


@rule(RULES, "cast to float32 at the end, and to int32 or uint8 what is an integer")
def types(saved: Saved) -> Broken:
    """Inputs and outputs have types that JSON can carry."""
    for signature in _signatures(saved):
        for what, place in signature.places():
            if place.dtype not in JSON_TYPES:
                yield signature.name, f"{what} is {place.dtype}"


@rule(RULES, "rename it, say image_bytes: by that ending REST knows to write base64")
def bytes_names(saved: Saved) -> Broken:
    """Outputs of bytes are named *_bytes."""
    found = [
        (signature.name, name)
        for signature in _signatures(saved)
        for name, place in signature.outputs.items()
        if place.dtype == "string"
    ]
    if not found:
        raise NotApplicable("no output of bytes")
    yield from ((where, f"output {name!r} is bytes") for where, name in found if not name.endswith("_bytes"))


@rule(RULES, "write it with TensorFlow's ops; a server has no Python to call")
def no_python(saved: Saved) -> Broken:
    """No function calls Python."""
    _served(saved)
    yield from ((_at(function, node), f"calls Python ({node.op})") for function, node in saved.nodes() if _python(node))


@rule(RULES, "drop jit_compile=True where the model is exported; the stock server compiles nothing with XLA")
def no_xla(saved: Saved) -> Broken:
    """No function must be compiled with XLA."""
    _served(saved)
    compiled = [each.signature.name for each in saved.meta.graph_def.library.function if _must_compile(each)]
    compiled += [_at(function, node) for function, node in saved.nodes() if _must_compile(node)]
    yield from ((where, "has jit_compile=True (_XlaMustCompile)") for where in compiled[:3])


@rule(RULES, "draw with tf.random.stateless_* from an input, as ganzoo.noise does, and write no variable")
def no_hidden_state(saved: Saved) -> Broken:
    """No signature draws from a generator with a state, or writes a variable."""
    for signature in _signatures(saved):
        found = sorted({node.op for node in saved.reached(signature) if _STATE.fullmatch(node.op)})
        if found:
            yield signature.name, f"runs {', '.join(found)}"


@rule(
    RULES,
    "let a bad row give some value (tf.where) in place of an assertion: in a merged batch it fails the others too",
)
def no_assertion(saved: Saved) -> Broken:
    """No signature by row asserts anything."""
    for signature in _by_row(saved):
        if any(node.op == "Assert" for node in saved.reached(signature)):
            yield signature.name, "runs an Assert"


@rule(RULES, "leave it out of what is exported; a server computes, and may be asked by anybody")
def no_side_effects(saved: Saved) -> Broken:
    """No signature reads or writes files, or prints."""
    for signature in _signatures(saved):
        if found := sorted({node.op for node in saved.reached(signature) if _OUTSIDE.fullmatch(node.op)}):
            yield signature.name, f"runs {', '.join(found)}"


@rule(RULES, "keep the variables that the signatures read, once: ganzoo.export, or ExportArchive without track()")
def weights_once(saved: Saved) -> Broken:
    """The weights are stored once, as variables that signatures read."""
    signatures = _signatures(saved)
    read = {n.name: _bytes(n) for each in signatures for n in saved.reached(each) if n.op == "VarHandleOp"}
    parameters = sum(read.values())
    copies = defaultdict(list)
    stored = 0
    try:
        for name, array in stored_arrays(saved):
            stored += array.nbytes
            if array.size > 1 and (array != array.flat[0]).any():  # zeros and ones of one shape are no copies
                copies[_content(array.tobytes())].append(name)
    except ValueError:
        raise NotApplicable("the variables cannot be read") from None
    for function, node in saved.nodes():
        if node.op == "Const" and len(data := node.attr["value"].tensor.tensor_content) >= LARGE:
            copies[_content(data)].append(f"the constant {_at(function, node)}")
    if not parameters and not copies:
        raise NotApplicable("no weights")
    total = sum(size for _, size in copies) or parameters
    twice = [(size, where) for (_, size), where in copies.items() if len(where) > 1]
    surplus = sum(size * (len(where) - 1) for size, where in twice)
    if surplus > MARGIN * total:
        _, (first, second, *_) = max(twice)
        yield first, f"is the same as {second}; {surplus} bytes are copies, beside {total} bytes of weights"
    elif stored > parameters * (1 + MARGIN):
        yield "variables", f"{stored} bytes are stored, and the signatures read variables of {parameters} bytes"


@rule(RULES, WARMUP_CURE)
def warmup(saved: Saved) -> Broken:
    """The warm-up file holds at most 1000 records, each a request that a signature takes."""
    _served(saved)
    if not (saved.folder / WARM_UP_FILE).exists():
        raise NotApplicable(f"no {WARM_UP_FILE}")
    number = -1
    for number, wrong in enumerate(warmup_flaws(saved)):
        if number == MOST_RECORDS:
            yield WARM_UP_FILE, f"has more than {MOST_RECORDS} records"
            return
        if wrong:
            yield f"{WARM_UP_FILE}, record {number}", wrong
            return
    if number < 0:
        yield WARM_UP_FILE, "holds no record"


@rule(RULES, "export with a TensorFlow that writes its version, and serve with that version or a later one")
def tensorflow_version(saved: Saved) -> Broken:
    """The TensorFlow that wrote it is known: a server should be as new."""
    _served(saved)
    if not saved.meta.meta_info_def.tensorflow_version:
        yield "saved_model.pb", "names no version of TensorFlow"


def stored_arrays(saved: Saved) -> Iterator[tuple[str, np.ndarray]]:
    """Yields (key, array) of the checkpoint in variables/, strings left out.

    Raises:
        ValueError: If the checkpoint cannot be read.
    """
    prefix = saved.folder / "variables" / "variables"
    if not prefix.with_suffix(".index").exists():
        return
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        types = reader.get_variable_to_dtype_map()
        yield from ((key, np.asarray(reader.get_tensor(key))) for key in sorted(types) if types[key] != tf.string)
    except (tf.errors.OpError, LookupError, RuntimeError) as error:
        raise ValueError(_first_line(error)) from None


def warmup_requests(saved: Saved) -> Iterator[PredictRequest]:
    """Yields the requests of the warm-up file.

    Raises:
        ValueError: If a record is none; says why.
    """
    path = saved.folder / WARM_UP_FILE
    if not path.exists():
        return
    records = tf.data.TFRecordDataset(str(path)).as_numpy_iterator()
    while True:
        try:
            log = PredictionLog.FromString(next(records))
        except StopIteration:
            return
        except tf.errors.OpError as error:
            raise ValueError(f"is no TFRecord ({type(error).__name__})") from None
        except DecodeError:
            raise ValueError("is no PredictionLog") from None
        if log.WhichOneof("log_type") != "predict_log" or not log.predict_log.HasField("request"):
            raise ValueError("holds no predict_log.request")
        yield log.predict_log.request


def warmup_flaws(saved: Saved) -> Iterator[str | None]:
    """Yields what is wrong with each record, None if nothing is; ends at one that cannot be read."""
    try:
        for request in warmup_requests(saved):
            yield _request_flaw(request, saved.signatures)
    except ValueError as error:
        yield str(error)


def _request_flaw(request: PredictRequest, signatures: dict[str, SavedSignature]) -> str | None:
    name = request.model_spec.signature_name or DEFAULT
    if name not in signatures:
        return f"asks for the signature {name!r}, of {sorted(signatures)}"
    signature = signatures[name]
    if scalars := [key for key, place in signature.inputs.items() if place.shape.rank == 0]:
        return (
            f"asks for {name!r}, of which {scalars} are scalars: a server that batches refuses them, and loads nothing"
        )
    if set(request.inputs) != set(signature.inputs):
        return f"gives {name!r} the inputs {sorted(request.inputs)}, which takes {sorted(signature.inputs)}"
    if unknown := set(request.output_filter) - set(signature.outputs):
        return f"asks {name!r} for {sorted(unknown)}, which gives {sorted(signature.outputs)}"
    for key, place in signature.inputs.items():
        try:
            array = array_of(request.inputs[key], MOST_WARMUP_BYTES)
        except (KeyError, TypeError, ValueError) as error:
            return f"input {key!r} of {name!r} is no tensor ({_first_line(error)})"
        given = Place("", tf.as_dtype(request.inputs[key].dtype).name, tf.TensorShape(array.shape))
        if given.dtype != place.dtype or not given.shape.is_compatible_with(place.shape):
            return f"input {key!r} of {name!r} is {given}, where the signature takes {place}"
    return None


def _served(saved: Saved) -> None:
    if saved.meta is None:
        raise NotApplicable("no graph with the tag 'serve' to look at")


def _signatures(saved: Saved) -> list[SavedSignature]:
    _served(saved)
    if not saved.signatures:
        raise NotApplicable("no signatures")
    return list(saved.signatures.values())


def _by_row(saved: Saved) -> list[SavedSignature]:
    found = [signature for signature in _signatures(saved) if not signature.whole]
    if not found:
        raise NotApplicable("no signature by row")
    return found


def _python(node: NodeDef) -> bool:
    return node.op in _PYTHON


def _must_compile(function_or_node) -> bool:
    return "_XlaMustCompile" in function_or_node.attr and function_or_node.attr["_XlaMustCompile"].b


def _bytes(variable: NodeDef) -> int:
    """Returns the size of a variable; 0 where its node does not say it."""
    try:
        shape = tf.TensorShape(variable.attr["shape"].shape)
        return (shape.num_elements() or 0) * tf.as_dtype(variable.attr["dtype"].type).size
    except (KeyError, TypeError, ValueError):
        return 0


def _content(data: bytes) -> tuple[int, int]:
    """Returns a key of the same bytes, and how many they are."""
    return hash(data), len(data)


def _at(function: str, node: NodeDef) -> str:
    return f"{function}/{node.name}" if function else node.name


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]

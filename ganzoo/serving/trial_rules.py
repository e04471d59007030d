"""Rules of the contract that show when signatures are called."""

import math
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from ganzoo.serving.reference import REFERENCE_FILE
from ganzoo.serving.rules import Broken, NotApplicable, Rule, rule
from ganzoo.serving.saved import Place
from ganzoo.serving.static_rules import WARMUP_CURE
from ganzoo.serving.trial import ORDER, Call, Trial
from ganzoo.signatures import MOST_GENERATED

TOLERANCE = 1e-5  # of floats
SHARE = 1e-4  # of the levels of uint8 that may be one apart
SHARE_ALONE = 1e-2  # the same of a row alone: another batch size takes other kernels, and a row has few values
REFUSED = {3, 9, 11}  # INVALID_ARGUMENT, FAILED_PRECONDITION, OUT_OF_RANGE
LIMITS_CURE = (
    f"assert 1 <= n <= {MOST_GENERATED} in the graph, and let all that n goes into wait for that "
    "(tf.control_dependencies): otherwise memory is taken before n is refused"
)

RULES: list[Rule] = []


@rule(RULES, "use TensorFlow's own ops alone; the stock server knows no others")
def core_ops(trial: Trial) -> Broken:
    """Every op is one of TensorFlow's own."""
    if not trial.ops:
        raise NotApplicable("the library did not say what it knows")
    functions = trial.saved.functions
    for op in sorted({node.op for _, node in trial.saved.nodes()} - trial.ops - functions.keys()):
        function = next(function for function, node in trial.saved.nodes() if node.op == op)
        yield function or "the main graph", f"op {op!r} is not known to TensorFlow's C library"


@rule(RULES, "export the model again; what cannot be loaded here cannot be served")
def loads(trial: Trial) -> Broken:
    """TensorFlow's C library loads it, without Python, Keras and ganzoo."""
    ended = f"the process {trial.ended}" if trial.ended else None
    if trial.loaded:
        yield str(trial.saved.folder), f"{trial.loaded}; {ended}" if ended else trial.loaded
    elif ended and trial.last is None:
        yield str(trial.saved.folder), f"{ended}, after the last call"


@rule(RULES, "read the message; it must run on a server that has no Python and no XLA, at any batch size")
def runs(trial: Trial) -> Broken:
    """Every signature answers, one row and three."""
    yield from _failures(trial.ordinary(), trial)


@rule(RULES, "state the types and shapes that the signature gives, and give them")
def outputs(trial: Trial) -> Broken:
    """Outputs have the type and shape that the signature says, and a row for each row."""
    yield from _once_a_signature((call, _misfit(call)) for call in _answered(trial.ordinary(), trial))


@rule(RULES, "draw random numbers with tf.random.stateless_* from an input, and write no variable")
def repeatable(trial: Trial) -> Broken:
    """The same request has the same answer, to the byte."""
    pairs = [(each.batch, each.again) for each in trial.rows.values()]
    pairs += [(each.alone[0], each.alone_again) for each in trial.rows.values()]
    pairs += [(calls[-2], calls[-1]) for calls in trial.wholes.values()]
    answered = _answered([call for pair in pairs for call in pair], trial)
    pairs = [(call, again) for call, again in pairs if call in answered and again in answered]
    yield from _once_a_signature(
        (call, f"output {name!r} differs when it is asked for again")
        for call, again in pairs
        for name, value in call.values.items()
        if not _same(value, again.values[name])
    )


@rule(RULES, "let nothing depend on how many rows there are: no mean over the batch, batch norm not in training")
def merged_batch(trial: Trial) -> Broken:
    """A batch of 3 or 8 gives what its rows give alone: of uint8, 1 value in 100 may be one level apart."""
    pairs = [
        (alone, 0, batch, row)
        for each in trial.rows.values()
        for batch in (each.batch, each.larger)
        for row, alone in enumerate(each.alone)
    ]
    yield from _unlike(trial, pairs, SHARE_ALONE)


@rule(RULES, "let row i of each output be a function of row i of the inputs alone")
def row_by_row(trial: Trial) -> Broken:
    """Row i depends on row i only: not on its place, and not on the other rows."""
    every = trial.rows.values()
    pairs = [(each.permuted, place, each.batch, row) for each in every for place, row in enumerate(ORDER)]
    yield from _unlike(trial, pairs + [(each.replaced, 0, each.batch, 0) for each in every], SHARE)


@rule(RULES, "find the layer that divides by zero or overflows; half precision overflows at 65504")
def finite(trial: Trial) -> Broken:
    """Numbers are finite."""
    yield from _once_a_signature(
        (call, f"output {name!r} holds numbers that are not finite")
        for call in _answered(trial.ordinary(), trial)
        for name, value in call.values.items()
        if value.dtype.kind == "f" and not np.isfinite(value).all()
    )


@rule(RULES, LIMITS_CURE)
def limits(trial: Trial) -> Broken:
    """A number of rows that is below 1 or over the limit is refused, and the process lives."""
    if not trial.limits:
        raise NotApplicable("no signature takes a number of rows n")
    for call in _reached(trial.limits, trial):
        if call is trial.last:
            yield str(call), f"the process {trial.ended}"
        elif call.code is None:
            yield str(call), "was answered"
        elif call.code not in REFUSED:
            yield str(call), f"was not refused, but failed with code {call.code}: {call.message}"
    if trial.after.code is not None or trial.last is trial.after:
        yield str(trial.after), f"failed after those: {trial.after.message or trial.ended}"


@rule(RULES, "export the model again from the weights that were meant; the exporter wrote down what Keras gave")
def keras(trial: Trial) -> Broken:
    """The answers are those of the Keras model."""
    if trial.reference_flaw:
        yield REFERENCE_FILE, trial.reference_flaw
        return
    if not trial.references:
        raise NotApplicable(f"no {REFERENCE_FILE}")
    answered = _answered([call for call, _ in trial.references], trial)
    for call, expected in trial.references:
        for name, value in expected.items() if call in answered else ():
            if difference := _difference(call.values[name], value):
                yield str(call), f"output {name!r}: {difference}"


@rule(RULES, "encode with tf.io.encode_png what the signature of pixels gives")
def png(trial: Trial) -> Broken:
    """Bytes are pictures, and those of x_png have the pixels of x."""
    answered = _answered(trial.ordinary(), trial)
    found = [(call, name) for call in answered for name, value in call.values.items() if value.dtype == object]
    if not found:
        raise NotApplicable("no output of bytes")
    partners = {_request(call, call.signature.name + "_png"): call for call in answered}
    yield from _once_a_signature(
        (call, _picture_flaw(name, call.values[name], partners.get(_request(call, call.signature.name))))
        for call, name in found
    )


@rule(RULES, "let generate be sample of the indices 0 to n - 1, truncation infinite")
def generate(trial: Trial) -> Broken:
    """What `generate` gives for a seed and n is what `sample` gives for indices 0 to n - 1."""
    if trial.first is None:
        raise NotApplicable("no signatures sample(seed, index, truncation) and generate(seed, n)")
    call = trial.wholes["generate"][1]
    if len(_answered([call, trial.first], trial)) < 2:
        raise NotApplicable("not both were answered")
    for name, value in call.values.items():
        expected = trial.first.values.get(name)
        difference = "sample gives no such output" if expected is None else _difference(value, expected)
        if difference:
            yield str(call), f"output {name!r}: {difference}"


@rule(RULES, WARMUP_CURE)
def warmup_runs(trial: Trial) -> Broken:
    """Every warm-up request is answered."""
    if not trial.warmups:
        raise NotApplicable("no warm-up requests to make")
    yield from _failures(trial.warmups, trial)


def _failures(calls: Iterable[Call], trial: Trial) -> Broken:
    yield from _once_a_signature((call, _failure(call, trial)) for call in _reached(calls, trial))


def _failure(call: Call, trial: Trial) -> str | None:
    """Returns why a call has no answer; None if it has one."""
    if call is trial.last:
        return f"the process {trial.ended}"
    return None if call.code is None else f"failed with code {call.code}: {call.message}"


def _reached(calls: Iterable[Call], trial: Trial) -> list[Call]:
    """Returns the calls that were made; the last may be the one in which the process ended."""
    if trial.loaded:
        raise NotApplicable("it does not load")
    made = [call for call in calls if call.values is not None or call.code is not None or call is trial.last]
    if not made:
        raise NotApplicable("no call was made")
    return made


def _answered(calls: Iterable[Call], trial: Trial) -> list[Call]:
    """Returns the calls that were answered."""
    answered = [call for call in _reached(calls, trial) if call.values is not None]
    if not answered:
        raise NotApplicable("no call was answered")
    return answered


def _once_a_signature(found: Iterable[tuple[Call, str | None]]) -> Broken:
    """Yields (call, what is wrong) where something is, the first of each signature."""
    seen = set()
    for call, wrong in found:
        if wrong and call.signature.name not in seen:
            seen.add(call.signature.name)
            yield str(call), wrong


def _unlike(trial: Trial, pairs: list[tuple[Call, int, Call, int]], share: float) -> Broken:
    """Yields where a row of a call is not the row of another call that it should be, but for a share of its levels."""
    answered = _answered([call for ours, _, theirs, _ in pairs for call in (ours, theirs)], trial)
    yield from _once_a_signature(
        (ours, f"output {name!r}, row {row}, is not row {other} of the {theirs.what}: {difference}")
        for ours, row, theirs, other in pairs
        if ours in answered and theirs in answered
        for name, value in ours.values.items()
        if _by_row(value, ours) and _by_row(theirs.values[name], theirs)
        if (difference := _difference(value[row : row + 1], theirs.values[name][other : other + 1], share))
    )


def _by_row(value: np.ndarray, call: Call) -> bool:
    """Returns whether an output has a row for each row of the inputs; `outputs` judges that."""
    return value.shape[:1] == (_count(call),)


def _count(call: Call) -> int | None:
    """Returns how many rows a call asks for; None if that cannot be seen."""
    if call.signature.counted:
        return int(call.inputs["n"])
    return next((len(array) for array in call.inputs.values() if array.ndim), None)


def _misfit(call: Call) -> str | None:
    """Returns which output has not the type and shape that the signature says; None if all have."""
    count = _count(call)
    for name, value in call.values.items():
        place = call.signature.outputs[name]
        given = Place("", "string" if value.dtype == object else value.dtype.name, tf.TensorShape(value.shape))
        if given.dtype != place.dtype or not given.shape.is_compatible_with(place.shape):
            return f"output {name!r} is {given}, where the signature says {place}"
        if count is not None and value.shape[:1] != (count,):
            return f"output {name!r} is {given} for {count} rows"
    return None


def _picture_flaw(name: str, values: np.ndarray, partner: Call | None) -> str | None:
    """Returns what is wrong with pictures as bytes: undecodable, or not the pixels that their partner gives."""
    try:
        pictures = _pictures(values)
    except (ValueError, tf.errors.InvalidArgumentError):
        return f"output {name!r} holds bytes that are no pictures"
    for other, pixels in {} if partner is None else partner.values.items():
        if difference := _difference(pictures, pixels):
            return f"the pixels of {name!r} are not those of {partner.signature.name}.{other}: {difference}"
    return None


def _request(call: Call, name: str) -> tuple:
    """Returns a key that two requests share if they would be the same, were the signature called `name`."""
    return name, tuple((key, array.tobytes(), array.shape) for key, array in sorted(call.inputs.items()))


def _pictures(values: np.ndarray) -> np.ndarray:
    """Returns encoded pictures of one size as uint8 [N, H, W, C]."""
    return np.stack([tf.io.decode_image(data, expand_animations=False).numpy() for data in values.flat])


def _same(ours: np.ndarray, theirs: np.ndarray) -> bool:
    if ours.dtype == object:
        return ours.tolist() == theirs.tolist()
    return ours.shape == theirs.shape and ours.tobytes() == theirs.tobytes()


def _difference(ours: np.ndarray, theirs: np.ndarray, share: float = SHARE) -> str | None:
    """Returns how far two outputs are apart, None if that is what other kernels round to.

    Args:
        ours: An output.
        theirs: What it should be.
        share: Of uint8, that may be one level apart, one value at least; floats may differ by `TOLERANCE`, the rest
            not at all.
    """
    if ours.shape != theirs.shape:
        return f"shape {ours.shape} in place of {theirs.shape}"
    if ours.dtype == object:
        return None if _same(ours, theirs) else _byte_difference(ours, theirs, share)
    if ours.dtype != theirs.dtype:
        return f"{ours.dtype} in place of {theirs.dtype}"
    if ours.dtype == np.uint8:
        levels = abs(ours.astype(int) - theirs.astype(int))
        if levels.max(initial=0) > 1:
            return f"up to {levels.max()} levels apart"
        apart = int((levels > 0).sum())
        return f"{apart} of {levels.size} values a level apart" if apart > math.ceil(share * levels.size) else None
    if ours.dtype.kind != "f":
        return None if np.array_equal(ours, theirs) else f"{(ours != theirs).sum()} of {ours.size} values differ"
    if np.allclose(ours, theirs, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
        return None
    with np.errstate(invalid="ignore"):  # infinity less infinity
        apart = abs(ours.astype(float) - theirs.astype(float))
    return f"up to {np.nan_to_num(apart, nan=np.inf).max():.3g} apart"


def _byte_difference(ours: np.ndarray, theirs: np.ndarray, share: float) -> str | None:
    try:
        return _difference(_pictures(ours), _pictures(theirs), share)
    except (ValueError, tf.errors.InvalidArgumentError):
        return "other bytes"

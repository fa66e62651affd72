"""What the code itself must never do: unpickle, evaluate, start shells, write over the network."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import training_pro
from tests.promises import Cases

pytestmark = pytest.mark.promise("no one in")
FILES = sorted(Path(training_pro.__file__).parent.rglob("*.py"))
NEVER = {
    "pickle.load", "pickle.loads", "pickle.Unpickler", "dill.load", "joblib.load", "marshal.loads", "marshal.load",
    "shelve.open", "yaml.load", "yaml.unsafe_load", "yaml.full_load", "eval", "os.system", "os.popen",
    "pandas.read_pickle", "tempfile.mktemp", "ssl._create_unverified_context",
}  # fmt: skip
# Own schedules are Python files that a person puts into a folder for that; a tab may start a run in a process.
MUST_SAY = {
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
}
MUST_NOT_SAY = (("trust_remote_code", True), ("shell", True), ("verify", False), ("weights_only", False))


def calls(code: str) -> Iterator[tuple[str, dict[str, object]]]:
    """Every call of `code`: what is called, and the keywords that are constants."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call):
            said = {
                word.arg: word.value.value
                for word in node.keywords
                if word.arg and isinstance(word.value, ast.Constant)
            }
            yield ast.unparse(node.func), said


def wrong_in(code: str) -> list[str]:
    found = []
    for name, said in calls(code):
        must = MUST_SAY.get(name)
        if name in NEVER or (must and said.get(must[0], not must[1]) is not must[1]):
            found.append(name)
        found += [f"{name}({word}={value})" for word, value in MUST_NOT_SAY if said.get(word) is value]
    return found


def test_no_call_unpickles_evaluates_or_trusts(cases: Cases) -> None:
    wrong = {}
    for path in FILES:
        found = wrong_in(path.read_text(encoding="utf-8"))
        cases.count(not found)
        if found:
            wrong[path.name] = found
    assert not wrong and cases.tried > 200


@pytest.mark.parametrize(
    "code",
    [
        "pickle.load(f)", "torch.load(p)", "torch.load(p, weights_only=False)", "np.load(p, allow_pickle=True)",
        "np.load(p)", "subprocess.run(x, shell=True)", "A.from_pretrained(x, trust_remote_code=True)",
        "yaml.load(x)", "eval(x)",
    ],
)  # fmt: skip
def test_such_a_call_would_be_seen(code: str) -> None:
    assert wrong_in(code)


def test_models_are_loaded_with_their_code_refused() -> None:
    """Left out, transformers asks at the terminal."""
    said = [
        (path.name, word)
        for path in FILES
        for name, word in calls(path.read_text(encoding="utf-8"))
        if name.startswith("Auto") and name.endswith(".from_pretrained")
    ]
    wrong = [name for name, word in said if word.get("trust_remote_code") is not False]
    assert said and not wrong

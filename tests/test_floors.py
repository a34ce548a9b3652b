"""The house's rules, read off the syntax trees: imports point down, the pure floors stay pure."""
from __future__ import annotations

import ast
from pathlib import Path

import pytest

import antsp2p

ROOT = Path(antsp2p.__file__).parent

# Each floor, and the floors it may import from.
BELOW: dict[str, frozenset[str]] = {
    "records": frozenset(),
    "coordination": frozenset({"records"}),
    "gossip": frozenset({"records"}),
    "node": frozenset({"records", "coordination", "gossip"}),
    "runtime": frozenset({"records", "coordination", "gossip", "node"}),
    "simulation": frozenset({"records", "coordination", "gossip", "node"}),
    "interfaces": frozenset(
        {"records", "coordination", "gossip", "node", "runtime", "simulation"}
    ),
}
PURE = ("records", "coordination", "gossip", "node")
# One node is more than one file; these stand beside node.py on the same floor.
NODE_MODULES = frozenset({
    "node", "events", "commands", "decisions", "folding", "history", "own_log", "profile",
    "publication", "pulse",
})
# The package's own face: lazy names for people who import it.
FACES = frozenset({"__init__", "__main__"})

BANNED = frozenset({
    "asyncio", "datetime", "http", "httpx2", "hypercorn", "io", "logging", "multiprocessing", "os",
    "pathlib", "queue", "random", "secrets", "select", "selectors", "shutil", "signal", "socket",
    "sqlite3", "ssl", "starlette", "subprocess", "sys", "tempfile", "threading", "time", "trio",
    "uuid", "zeroconf",
})
BANNED_CALLS = frozenset({"open", "print", "input", "eval", "exec", "__import__", "hash", "id"})


def sources() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def floor_of(path: Path) -> str | None:
    """The floor of a file, or None for the package's face."""
    relative = path.relative_to(ROOT)
    if len(relative.parts) > 1:
        return relative.parts[0]
    return None if relative.stem in FACES else "node" * (relative.stem in NODE_MODULES)


def floor_of_module(module: str) -> str | None:
    parts = module.split(".")
    if parts[0] != "antsp2p" or len(parts) == 1:
        return None
    return "node" if parts[1] in NODE_MODULES else parts[1]


def imported(tree: ast.AST) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.extend((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found.append((node.module or "", node.lineno))
    return found


def type_only_lines(tree: ast.Module) -> set[int]:
    """Lines under `if TYPE_CHECKING:`, which never run."""
    lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            for inner in node.body:
                lines.update(range(inner.lineno, (inner.end_lineno or inner.lineno) + 1))
    return lines


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path: Path) -> None:
    floor = floor_of(path)
    if floor is None:
        return
    assert floor in BELOW, f"{path} stands on no floor"
    for module, line in imported(ast.parse(path.read_text())):
        target = floor_of_module(module)
        if target is not None and target != floor:
            assert target in BELOW[floor], f"{path}:{line} imports {module} from above"


def pure_sources() -> list[Path]:
    return [path for path in sources() if floor_of(path) in PURE]


@pytest.mark.parametrize("path", pure_sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_pure_floors_stay_pure(path: Path) -> None:
    tree = ast.parse(path.read_text())
    harmless = type_only_lines(tree)
    for module, line in imported(tree):
        root = module.split(".")[0]
        assert root not in BANNED or line in harmless, f"{path}:{line} imports {module}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in BANNED_CALLS, f"{path}:{node.lineno} calls {node.func.id}"


@pytest.mark.parametrize("path", pure_sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_loop_runs_over_a_set(path: Path) -> None:
    """The order of a set differs between runs; a loop over one may reach an effect."""
    for node in ast.walk(ast.parse(path.read_text())):
        loops = [node.iter] if isinstance(node, ast.For) else []
        if isinstance(node, ast.ListComp | ast.GeneratorExp | ast.DictComp):
            loops.extend(generator.iter for generator in node.generators)
        for loop in loops:
            is_set = isinstance(loop, ast.Set | ast.SetComp) or (
                isinstance(loop, ast.Call) and isinstance(loop.func, ast.Name)
                and loop.func.id in ("set", "frozenset")
            )
            assert not is_set, f"{path}:{loop.lineno} iterates a set"


def test_every_module_opens_with_its_law() -> None:
    for path in sources():
        assert ast.get_docstring(ast.parse(path.read_text())), f"{path} has no docstring"


def test_the_top_level_holds_nothing_else() -> None:
    root = ROOT.parent
    if not (root / "pyproject.toml").exists():
        pytest.skip("the package is installed without its checkout")
    allowed = {"pyproject.toml", "README.md", "LICENSE", "protocol.md", "antsp2p", "tests", "demo"}
    found = {
        path.name for path in root.iterdir()
        if not path.name.startswith(".") and not path.name.endswith(".egg-info")
    }
    assert found <= allowed

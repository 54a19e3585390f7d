"""The TypeScript client: its types match the schemas, and it works with a real server.

What the client is expected to do is in ``schemas/typescript/test``; here it is built, and the server started.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import fitsense
from fitsense.cli import main
from fitsense.server.api.wire import Format, pack
from tests.helpers.doc_pages import ROOT, blocks
from tests.helpers.live_server import PATIENCE_S, Running, ended, events_of, process

PACKAGE = ROOT / "schemas" / "typescript"
PAGE = "docs/how-to/other-languages.md"
TOKEN = "a-token-for-the-client"
CONFIG = 'bundles = ["gym-video"]\nbatch = 1\n[limits]\nsessions = 64\nrequests_per_s = 1000\nrate_hz = 1000\n'
# Later versions of Node have a built-in WebSocket.
_WEBSOCKET = 22
_OLDEST = 20


def run(folder: Path, *command: str, fails: bool = False, **environment: str) -> str:
    """Run a command, check that it succeeds or fails as expected, and return its output."""
    done = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=8 * PATIENCE_S,
    )
    assert (done.returncode != 0) == fails, done.stdout
    return done.stdout


def tsc(folder: Path, *arguments: str, fails: bool = False) -> str:
    return run(folder, "node", "node_modules/typescript/bin/tsc", *arguments, fails=fails)


@pytest.fixture(scope="module")
def version() -> int:
    """Node's; none, no test."""
    if shutil.which("node") is None:
        pytest.skip("there is no Node")
    major = int(run(ROOT, "node", "--version").removeprefix("v").partition(".")[0])
    if major < _OLDEST:
        pytest.skip(f"Node {major} is older than {_OLDEST}")
    if not (PACKAGE / "node_modules").is_dir():
        pytest.skip("the client's tools are not there: run  npm ci  in schemas/typescript")
    return major


@pytest.fixture(scope="module")
def package(version: int, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package, compiled, with the schemas beside it."""
    folder = tmp_path_factory.mktemp("schemas")
    shutil.copytree(PACKAGE.parent / "v1", folder / "v1")
    package = folder / PACKAGE.name
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("node_modules", "dist"))
    (package / "node_modules").symlink_to(PACKAGE / "node_modules")
    tsc(package, "--project", "tsconfig.json")
    return package


@pytest.fixture(scope="module")
def flags(version: int) -> list[str]:
    """Flags with which Node has a WebSocket."""
    return [] if version >= _WEBSOCKET else ["--experimental-websocket", "--no-warnings"]


def test_package_has_version_of_fitsense() -> None:
    for name in ("package.json", "package-lock.json"):
        assert json.loads((PACKAGE / name).read_text("utf-8"))["version"] == fitsense.__version__


def test_types_match_schemas(package: Path) -> None:
    run(package, "node", "generate.mjs", "--check")
    schema = package.parent / "v1" / "exercise.started.schema.json"
    before = schema.read_text("utf-8")
    schema.write_text(before.replace('"start_s"', '"began_s"'), "utf-8")
    assert "npm run generate" in run(package, "node", "generate.mjs", "--check", fails=True)
    schema.write_text(before, "utf-8")


def test_types_accept_valid_and_refuse_invalid_programs(package: Path) -> None:
    tsc(package, "--project", "tsconfig.test.json")
    # That lines marked as wrong are found to be right would be an error, too.
    assert (package / "test" / "types.ts").read_text("utf-8").count("@ts-expect-error") > 10
    types = package / "src" / "schemas.ts"
    before = types.read_text("utf-8")
    types.write_text(before.replace("repetitions?: Repetitions", "repetitions: Repetitions"), "utf-8")
    tsc(package, "--project", "tsconfig.json")
    assert "Unused '@ts-expect-error'" in tsc(package, "--project", "tsconfig.test.json", "--skipLibCheck", fails=True)
    types.write_text(before, "utf-8")
    tsc(package, "--project", "tsconfig.json")


@pytest.fixture(scope="module")
def server(squats_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """``fitsense serve``, with a token and a video."""
    folder = tmp_path_factory.mktemp("serve")
    (folder / "serve.toml").write_text(CONFIG)
    arguments = ("--config", str(folder / "serve.toml"), "--source", f"videos={squats_file.parent}")
    with process(*arguments, environment={"FITSENSE_TOKENS": TOKEN}, log=folder / "log") as (running, _):
        yield running


def test_client_against_real_server_works(
    package: Path,
    flags: list[str],
    server: Running,
    squats_file: Path,
    jpegs: list[tuple[float, bytes]],
    tmp_path: Path,
) -> None:
    pictures = []
    for number, (time_s, content) in enumerate(jpegs):
        file = tmp_path / f"{number}.jpg"
        file.write_bytes(content)
        pictures.append((time_s, str(file)))
    messages = [(Format.IMAGE, 0.0), (Format.H264, 1.25), (Format.VP8, -0.1), (Format.IMAGE, 1e9 + 0.000001)]
    given = {
        "url": server.url,
        "token": TOKEN,
        "source": f"videos/{squats_file.name}",
        "video": str(squats_file),
        "pictures": pictures,
        "packed": [
            (kind.name.lower(), time_s, b"it".hex(), pack(kind, time_s, b"it").hex()) for kind, time_s in messages
        ],
        "out": str(tmp_path / "events.ndjson"),
    }
    (tmp_path / "given.json").write_text(json.dumps(given))
    test = ("--test", "--test-reporter=tap", "test/client.test.mjs")
    printed = run(package, "node", *flags, *test, FITSENSE_TEST=str(tmp_path / "given.json"))
    passed = re.search(r"^# pass (\d+)$", printed, re.MULTILINE)
    assert passed is not None
    assert int(passed[1]) > 15
    # Nothing was lost or made up on the way.
    assert ended(events_of((tmp_path / "events.ndjson").read_text("utf-8")))["reason"] == "finished"


def compiled(package: Path, name: str, program: str) -> str:
    """Compile a program of a page with the package's strict options; return the path of its JavaScript."""
    (package / "test" / f"{name}.ts").write_text(program, "utf-8")
    tsc(package, "--project", "tsconfig.test.json", "--skipLibCheck", "--noEmit", "false", "--outDir", "ran")
    return f"ran/test/{name}.js"


@pytest.fixture(scope="module")
def log(squats_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The log of an analysis that was continued after a crash, and then cut off."""
    file = tmp_path_factory.mktemp("log") / "events.ndjson"
    model = fitsense.load_model("gym-video")
    lines = [event.to_json() for event in fitsense.analyze(squats_file, model=model, hop_s=0.5)]
    middle = len(lines) // 2
    file.write_text("\n".join([*lines[: middle + 3], *lines[middle:], lines[-1][:40]]), "utf-8")
    return file


def test_docs_page_log_program_prints_each_event_once(package: Path, log: Path) -> None:
    _, reading, _ = blocks(PAGE, "typescript")
    program = compiled(package, "reading_log", reading)
    printed = run(package, "bash", "-c", f"node {program} < {shlex.quote(str(log))}").splitlines()
    refused = [line for line in printed if line.startswith("TypeError: expected JSON, got ")]
    assert len(refused) == 1
    printed.remove(refused[0])
    *repetitions, ended = printed
    assert repetitions == [f"squat {number}" for number in range(1, len(repetitions) + 1)]
    assert ended == f"set: {len(repetitions)} x squat"
    assert repetitions


def test_docs_page_validating_program_finds_invalid_events_only(package: Path, log: Path) -> None:
    if not (PACKAGE / "node_modules" / "ajv").is_dir():
        pytest.skip("the client's tools are not there: run  npm ci  in schemas/typescript")
    *_, validating = blocks(PAGE, "typescript")
    program = compiled(package, "validating_log", validating)
    (package / "schemas.json").write_text(CliRunner().invoke(main, ["schema", "--all"]).output, "utf-8")
    events = [json.loads(line) for line in log.read_text("utf-8").splitlines()[:-1]]
    started, ended = events[0], events[-1]
    unknown = started | {
        "id": "unknown",
        "type": "other.done",
        "dataschema": "urn:fitsense:plugin:other:done",
        "data": {},
    }
    envelope = {name: value for name, value in started.items() if name != "specversion"} | {"id": "envelope"}
    data = ended | {"id": "data", "data": ended["data"] | {"frames": "many"}}
    lines = [json.dumps(event) for event in [*events, unknown, envelope, data]]
    given = log.with_name("given.ndjson")
    given.write_text("\n".join(lines), "utf-8")
    printed = run(package, "bash", "-c", f"node {program} < {shlex.quote(str(given))}").splitlines()
    assert [line.partition(":")[0] for line in printed] == ["envelope", "data"]
    assert "must have required property 'specversion'" in printed[0]
    assert "frames must be integer" in printed[1]


def test_docs_page_program_compiles(package: Path, server: Running, squats_file: Path) -> None:
    uploading, *_ = blocks(PAGE, "typescript")
    program = compiled(package, "program", uploading)
    printed = run(package, "node", program, server.url, str(squats_file), FITSENSE_TOKEN=TOKEN).splitlines()
    assert printed[0].startswith("squat since ")
    assert printed[1].startswith("  number 1, in ")
    assert printed[-1] == "1 sets in 6 s"


def test_cookbook_program_compiles_for_browsers(package: Path) -> None:
    (program,) = blocks("docs/how-to/cookbook.md", "typescript")
    folder = package / "browser"
    folder.mkdir()
    (folder / "page.ts").write_text(program, "utf-8")
    options = json.loads((package / "tsconfig.test.json").read_text("utf-8"))
    options["compilerOptions"] |= {"lib": ["ES2022", "DOM"], "types": []}
    (package / "tsconfig.browser.json").write_text(json.dumps(options | {"include": ["browser/*.ts"]}), "utf-8")
    tsc(package, "--project", "tsconfig.browser.json")


def test_readme_examples_compile_and_push_frames(
    package: Path, flags: list[str], server: Running, jpegs: list[tuple[float, bytes]], tmp_path: Path
) -> None:
    text = (PACKAGE / "README.md").read_text("utf-8")
    reading, pushing = re.findall(r"^```ts\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    (package / "test" / "reading.ts").write_text(reading, "utf-8")
    address = 'new Client("http://127.0.0.1:8765")'
    assert address in pushing
    here = f'new Client("{server.url}", {{ token: "{TOKEN}" }})'
    (package / "test" / "pushing.ts").write_text(pushing.replace(address, here), "utf-8")
    tsc(package, "--project", "tsconfig.test.json", "--skipLibCheck", "--noEmit", "false", "--outDir", "readme")
    for number, (_, content) in enumerate(jpegs):
        (tmp_path / f"{number}.jpg").write_bytes(content)
    times = [time_s for time_s, _ in jpegs]
    program = f"""
        import {{ openAsBlob }} from "node:fs";
        import {{ coach }} from "./pushing.js";
        async function* pictures() {{
          for (const [number, timeS] of {json.dumps(times)}.entries())
            yield {{ jpeg: await openAsBlob(`{tmp_path.as_posix()}/${{number}}.jpg`), timeS }};
        }}
        console.log(await coach(pictures()));
    """
    (package / "readme" / "test" / "program.mjs").write_text(program, "utf-8")
    assert run(package, "node", *flags, "readme/test/program.mjs").strip().endswith("3")


def test_npm_pack_package_is_found_by_old_and_new_resolution(package: Path, tmp_path: Path) -> None:
    for built in ("dist", "LICENSE"):
        shutil.rmtree(package / built, ignore_errors=True)
    run(package, "npm", "pack", "--pack-destination", str(tmp_path))
    (archive,) = tmp_path.glob("*.tgz")
    shutil.unpack_archive(archive, tmp_path, filter="data")
    home = tmp_path / "app" / "node_modules" / "fitsense-client"
    home.parent.mkdir(parents=True)
    (tmp_path / "package").rename(home)
    document = json.loads((home / "package.json").read_text("utf-8"))
    exported = document["exports"]["."]
    assert (document["main"], document["types"]) == (exported["default"], exported["types"])
    assert (home / document["main"]).is_file()
    assert (home / document["types"]).is_file()
    program = 'import("fitsense-client").then(({ Client }) => console.log(Client.name))'
    assert run(tmp_path / "app", "node", "-e", program).strip() == "Client"

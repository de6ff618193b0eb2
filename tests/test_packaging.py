"""The wheel and the source distribution: what is in them, and what they do to Twisted."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest
import twisted

ROOT = Path(__file__).parent.parent
PLUGIN = "twisted/plugins/sipws_plugin.py"

#: What the scripts twistd and twist do.
RUNNERS = (
    "import sys; sys.argv = ['twistd', '--help']; from twisted.scripts.twistd import run; run()",
    "import sys; from twisted.application.twist._twist import Twist; Twist.main(['twist', '--help'])",
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build both, with the hatchling that is installed."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return folder


@pytest.fixture(scope="module")
def wheel(distributions: Path) -> Path:
    (wheel,) = distributions.glob("*.whl")
    return wheel


def test_wheelHoldsThePackageAndThePlugin(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}

    assert PLUGIN in names
    assert "sipws/py.typed" in names
    assert {name for name in names if not name.startswith("sipws/")} == {PLUGIN}


def test_sdistHoldsWhatTheTestsNeed(distributions: Path) -> None:
    (sdist,) = distributions.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    for name in (
        "README.rst",
        "CHANGES.rst",
        "LICENSE",
        ".ci/run",
        "tests/conftest.py",
        "docs/conf.py",
        PLUGIN,
    ):
        assert name in names
    assert not {name for name in names if "node_modules" in name or "__pycache__" in name}
    assert "twisted/__init__.py" not in names
    assert "twisted/plugins/__init__.py" not in names


def test_installedPluginIsListedAndTwistedIsUntouched(wheel: Path, tmp_path: Path) -> None:
    """
    sipws, installed beside Twisted, is among the commands of C{twistd} and
    C{twist}, and all of Twisted's own files are as they were.
    """
    venv.create(tmp_path / "venv", with_pip=False)
    python = tmp_path / "venv" / "bin" / "python"
    site = next((tmp_path / "venv" / "lib").glob("python*/site-packages"))
    _linkDependencies(site)
    before = _digests(site / "twisted")

    # An installer does no more with a pure wheel than to unpack it.
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)

    for program in RUNNERS:
        shown = subprocess.run(
            [python, "-c", program], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert "\n    sipws " in shown.stdout, shown
    after = _digests(site / "twisted")
    assert {name: after.get(name) for name in before} == before
    assert after.keys() - before.keys() <= {"plugins/sipws_plugin.py", "plugins/dropin.cache"}


def _linkDependencies(site: Path) -> None:
    """Give an environment the dependencies that this one has, and Twisted as a copy that may be spoilt."""
    own = Path(twisted.__file__).parent
    left = shutil.ignore_patterns("sipws*", "dropin.cache", "__pycache__", "test")
    shutil.copytree(own, site / "twisted", ignore=left)
    for path in own.parent.iterdir():
        ours = path.name.startswith(("sipws", "_sipws", "__editable__")) or path.suffix == ".pth"
        if not ours and not (site / path.name).exists():
            (site / path.name).symlink_to(path)


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

"""What is published: a README that stands alone, a wheel and an sdist that install and run."""

import re
import subprocess
import tomllib
import venv

import pytest

from tests import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
HOOK = PROJECT["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def published_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    for change in HOOK["substitutions"]:
        text = re.sub(change["pattern"], change["replacement"], text)
    return text


def test_links_and_pictures_of_the_readme_work_without_the_repository():
    text = published_readme()
    links = re.findall(r"\]\(([^)\s]+)\)", text)
    assert len(links) > 20 and all(re.match(r"https://|#", link) for link in links)
    pictures = re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", text)
    host = "https://raw.githubusercontent.com/allometry/allometry/main/"
    assert len(pictures) >= 2
    assert all((ROOT / picture.removeprefix(host)).is_file() for picture in pictures)


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_only_read_and_keeps_no_secret(path):
    text = path.read_text(encoding="utf-8")
    assert re.search(r"^permissions:\n  contents: read$", text, re.M)
    assert "secrets." not in text
    for target in re.findall(r"run: make (\w+)", text):
        assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M)


@pytest.mark.slow
def test_the_wheel_and_the_sdist_install_and_run_in_an_empty_environment(tmp_path):
    """Asks the package registry that pip is set up for."""

    def call(*words):
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, timeout=900)
        assert done.returncode == 0, done.stderr
        return done.stdout

    made = tmp_path / "dist"
    venv.create(tmp_path / "tools", with_pip=True)
    call(tmp_path / "tools" / "bin" / "python", "-m", "pip", "install", "--quiet", "build")
    call(tmp_path / "tools" / "bin" / "python", "-m", "build", "--outdir", made, ROOT)
    (wheel,), (sdist,) = made.glob("*.whl"), made.glob("*.tar.gz")
    venv.create(tmp_path / "env", with_pip=True)
    python, allometry = (tmp_path / "env" / "bin" / name for name in ("python", "allometry"))
    call(python, "-m", "pip", "install", "--quiet", wheel)
    assert "mlp_parameter_scaling" in call(allometry, "list")
    call(allometry, "new", "mine.py")
    call(allometry, "run", "./mine.py", "--seeds", "1", "--set", "train.steps=20")
    assert "done" in call(allometry, "table", "mine", "--set", "train.steps=20")
    call(python, "-m", "pip", "install", "--quiet", "--force-reinstall", "--no-deps", sdist)
    assert "chinchilla" in call(allometry, "list")

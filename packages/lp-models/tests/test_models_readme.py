from pathlib import Path


def test_the_script_of_the_readme_runs():
    text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    script = text.split("```python\n")[1].split("```")[0]
    names = {}
    exec(compile(script, "README.md", "exec"), names)
    assert names["keypoints"].shape == (4, 2, 2)
    assert names["loss"].isfinite()

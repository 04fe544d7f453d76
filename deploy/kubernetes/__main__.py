"""Writes the generated part of the manifests: `python -m deploy.kubernetes`."""

from deploy.kubernetes.rules import RULES, render

if __name__ == "__main__":
    RULES.write_text(render(), encoding="utf-8")

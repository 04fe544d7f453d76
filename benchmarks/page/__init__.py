"""docs/performance.md and its picture, from what was measured."""

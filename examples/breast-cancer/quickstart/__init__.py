"""The quickstart: records the example's line, promotes its image, and attacks it.

Standard library only. `line` says what the steps are, `workspace` runs them under `assay`,
`service` starts and stops programs; `doors` asks, `verdict` reads the answers, `judge` holds them
against what had to come out; `attacks` and `edits` are the cases, `story` is the part without
them, `table` and `terminal` print.
"""

"""The quickstart: records the example's line, promotes its image, and attacks it.

Standard library only. `line` says what the steps are, `workspace` runs them under `assay`,
`service` starts and stops programs, `verdict` asks the doors, `attacks` are the cases, `table`
prints what came out.
"""

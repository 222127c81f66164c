"""Recounts a hall from its journal, and compares with what the product made of it.

Standard library only, and no code of the product: what is counted is written here a second time, from the rules of
`proto/zhoubao/v1` and `docs/recount.md`, with plain loops. Read `main`, then `rules`, `figures` and `rows`.
"""

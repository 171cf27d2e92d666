"""Starts ministack, in its own environment, so that it reads an expression once and not once for every item that it looks at."""

from __future__ import annotations

import functools

from ministack.app import main
from ministack.services import dynamodb

tokens = functools.lru_cache(1_000)(dynamodb._tokenize)
dynamodb._tokenize = lambda expression: list(tokens(expression))
dynamodb._condition_syntax_error = functools.lru_cache(1_000)(dynamodb._condition_syntax_error)

if __name__ == "__main__":
    main()

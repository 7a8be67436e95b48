"""Puts the cases on stdin to the block in ./verify.py, and prints what it says of each: true, false, or an error's text."""

import json
import sys

from verify import verify


def answer(case):
    try:
        return verify(case["secret"], case["headers"], case["body"].encode())
    except Exception as error:
        return f"threw {error!r}"


cases = json.loads(sys.stdin.buffer.read())
print(json.dumps([answer(case) for case in cases]))

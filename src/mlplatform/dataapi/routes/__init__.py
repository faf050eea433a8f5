"""HTTP: one router per subject.

A route decodes, calls one handler and encodes; what may happen is decided there.
"""

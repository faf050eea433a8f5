"""When the rows of a balance were counted, and what a proof has found, as people read it."""

from __future__ import annotations

from mlplatform.contracts.balance import BalanceSheet


def print_proof(sheet: BalanceSheet) -> None:
    """Print a line for the moment of the proof, and one for each difference."""
    if sheet.proven_at is not None:
        at = f"{sheet.proven_at:%Y-%m-%d %H:%M:%S} UTC"
        print(f"\nall rows that were there on {at} were counted then, later ones now")
    for each in sheet.differences:
        numbers = ", ".join(f"{first}-{last}" for first, last in each.numbers)
        gone = f"; gone: {numbers}" if numbers else ""
        print(f"{each.of}: {each.found:,} {each.what}, and {each.kept:,} were proven{gone}")

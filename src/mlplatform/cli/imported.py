"""What `mlplatform import` prints: what is known when the rows are in, and what etl found later."""

from __future__ import annotations

from mlplatform.client.etl_watch import EtlOutcome
from mlplatform.client.importing import ImportedFile


def show_accepted(total: ImportedFile, *, several: bool) -> None:
    """What is known of a file, or several, that were sent; etl has checked none of the rows yet."""
    print(f"{total.accepted:,} rows accepted" + ("; etl will check them" if total.accepted else ""))
    if total.quarantined:
        print(f"{total.quarantined:,} could not be read and went to quarantine")
    for reason in total.first_reasons:
        place = f"{reason.file}, record" if several else "record"
        print(f"  {place} {reason.record}: {_named(reason.field, reason.reason)}")


def show_outcome(rows: int, outcome: EtlOutcome) -> None:
    """What etl made of so many accepted rows."""
    featured, quarantined = outcome.featured, outcome.quarantined
    if not featured + quarantined:
        print("etl has checked them all before this import; `mlplatform balance` counts them")
        return
    print(f"etl has checked them: {featured:,} featured, {quarantined:,} quarantined")
    for each in outcome.first_quarantined:
        print(f"  {_named(each.column_name, each.reason)}")
    if outcome.only_these_rows:
        return
    if featured + quarantined < rows:
        print(f"the other {rows - featured - quarantined:,} were imported before")
    else:
        print("other rows of the pipeline that etl checked meanwhile are counted too")


def _named(field: str, reason: str) -> str:
    return f"{field}: {reason}" if field else reason

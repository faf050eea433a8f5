"""The only door to the data for everything that is not consumer or etl.

    routes/      HTTP: decode, call a handler, encode; one file per subject
    <subject>    handlers: plain objects that know no HTTP
    promotion    the state machine of model versions, one pure function
    door, limits who may come in, how fast, and with how much
    app, main    the application from ready collaborators; the process

Every handler opens its access with `AuditLog.access`, which asks for the role and enters the ledger
whatever the outcome.
"""

"""The only way to the data for everything that is not consumer or etl.

    routes/            HTTP: decode, call a handler, encode; one file per subject
    <subject>          handlers: plain objects that know no HTTP
    promotion          the state machine of model versions, one pure function
    admission, limits  who may come in, how fast, and with how much
    audit              the role check and the ledger entry of every access
    app, main          the application from ready collaborators; the process

Every handler opens its access with `AuditLog`, so that the ledger has it whatever the outcome.
"""

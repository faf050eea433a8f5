"""The only way to the data for everything that is not consumer or etl.

    routes/            HTTP: decode, call a handler, encode; one file per subject
    <subject>          handlers: plain objects that know no HTTP
    promotion          the state machine of model versions, one pure function
    admission, limits  who may come in, how fast, and with how much
    rights             every act and the roles that may do it; routes.guard decides before a body
    audit, gathered    the ledger entry of every act
    app, main          the application from ready collaborators; the process

Every handler opens its access with `AuditLog`, and every route enters what no handler did, so that
the ledger has it whatever the outcome.
"""

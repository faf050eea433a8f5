-- One more action in the promotion record: the champion is withdrawn, and no version serves.
ALTER TABLE control.promotions DROP CONSTRAINT promotions_action_check;
ALTER TABLE control.promotions ADD CONSTRAINT promotions_action_check
    CHECK (action IN ('propose', 'approve', 'promote', 'rollback', 'withdraw', 'reject'));

// oidc-provider's own memory adapter walks every token of a grant at each write and forgets all but a thousand entries: it is for
// development and would make the peer slower with every round. This one is as cheap as memory can be.
const models = new Map();
const sessionsByUid = new Map();

export class Memory {
  constructor(model) {
    if (!models.has(model)) models.set(model, new Map());
    this.rows = models.get(model);
    this.keepsUid = model === 'Session';
  }

  async upsert(id, payload, expiresIn) {
    this.rows.set(id, { payload, until: expiresIn ? Date.now() + expiresIn * 1000 : Infinity });
    if (this.keepsUid) sessionsByUid.set(payload.uid, id);
  }

  async find(id) {
    const row = this.rows.get(id);
    return row && row.until > Date.now() ? row.payload : undefined;
  }

  async findByUid(uid) {
    return this.find(sessionsByUid.get(uid));
  }

  async findByUserCode() {
    return undefined;
  }

  async consume(id) {
    this.rows.get(id).payload.consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    this.rows.delete(id);
  }

  async revokeByGrantId(grantId) {
    for (const rows of models.values())
      for (const [id, row] of rows)
        if (row.payload.grantId === grantId) rows.delete(id);
  }
}

// Codes and rotated tokens pile up otherwise; a minute is longer than any of them is needed here.
setInterval(() => {
  const now = Date.now();
  for (const rows of models.values())
    for (const [id, row] of rows)
      if (row.until <= now) rows.delete(id);
}, 60_000).unref();

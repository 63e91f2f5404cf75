/** What opens the encrypted golden repositories. */
export const GOLDEN_KEY = { passphrase: "golden, and no secret" };

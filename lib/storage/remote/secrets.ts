/**
 * Keeping secrets out of what people read. A client's errors hold whole requests: headers that authorize, addresses that
 * are signed. Nothing of them is passed on but words, and the words go through here.
 *
 * @module
 */

/** What stands in a secret's place. */
const HIDDEN = "[hidden]";

/** A secret shorter than this would be found in the middle of words. */
const SECRET_LENGTH_MIN = 6;

/** What authorizes by its name, wherever it stands: parameters of signed addresses, parts of connection strings, headers. */
const NAMED =
  /\b(sig|se|sp|sv|skoid|sktid|x-amz-(?:signature|credential|security-token)|(?:access_?|account)?key|sharedaccesssignature|password|passphrase|(?:client_)?secret|(?:\w+_)?token|assertion)=[^&;\s"'<>]+/gi;

/** As configuration files and a provider's JSON name them. */
const FIELDS =
  /\b((?:aws_?)?(?:secret_?access_?key|(?:session|security)_?token))(["']?\s*[:=]\s*["']?)[^\s"',;&<>}]+/gi;
const HEADERS = /\b(authorization|x-amz-security-token|x-ms-encryption-key)(["']?\s*[:=]\s*["']?)[^\r\n"',}]+/gi;
const TOKENS = /\b(bearer)\s+[\w.~+/=-]{20,}/gi;
const SCHEMES = /\b(sharedkey(?:lite)?(?=\s+\S+:)|aws4-hmac-sha256(?=\s+credential))\s+[^\r\n"'<>]+/gi;
const QUERIES = /(https?:\/\/[^\s"'<>?]+)\?[^\s"'<>]+/gi;
const USERS = /(https?:\/\/)[^\s"'<>/@]+@/gi;

/** Hides secrets in texts: those it was told of, in each form in which they travel, and what is one by its looks. */
export class Secrets {
  readonly #known = new Set<string>();

  /** Knows these; more may follow. */
  constructor(...secrets: (string | undefined)[]) {
    for (const secret of secrets) this.add(secret);
  }

  /** One more to be hidden. */
  add(secret: string | undefined): void {
    if (secret === undefined || secret.length < SECRET_LENGTH_MIN) return;
    this.#known.add(secret);
    this.#known.add(encodeURIComponent(secret));
    try {
      this.#known.add(decodeURIComponent(secret));
    } catch {
      // It was not in that form.
    }
  }

  /** The text without them. */
  hide(text: string): string {
    let out = text;
    // The longest first: one may be a part of another.
    for (const secret of [...this.#known].sort((a, b) => b.length - a.length)) out = out.replaceAll(secret, HIDDEN);
    return out
      .replace(USERS, "$1")
      .replace(QUERIES, "$1")
      .replace(FIELDS, `$1$2${HIDDEN}`)
      .replace(HEADERS, `$1$2${HIDDEN}`)
      .replace(TOKENS, `$1 ${HIDDEN}`)
      .replace(SCHEMES, `$1 ${HIDDEN}`)
      .replace(NAMED, `$1=${HIDDEN}`);
  }
}

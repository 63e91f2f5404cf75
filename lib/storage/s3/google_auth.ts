/**
 * OAuth tokens by Google's application default credentials: loaded when the first request is made.
 *
 * @module
 */

import type * as GoogleAuthLibrary from "google-auth-library";

const SCOPE = "https://www.googleapis.com/auth/devstorage.read_write";

/** Gives tokens, new ones before they end. */
export async function defaultTokens(): Promise<() => Promise<string>> {
  let GoogleAuth: typeof GoogleAuthLibrary.GoogleAuth;
  try {
    ({ GoogleAuth } = await import("google-auth-library"));
  } catch (error) {
    throw error; // As in `client.ts`, for bundlers.
  }
  // A token needs no project; without a name here some credentials ask another service for it first, which may refuse.
  const auth = new GoogleAuth({ scopes: [SCOPE], projectId: "none" });
  return async () => {
    let token: string | null | undefined;
    try {
      token = await auth.getAccessToken();
    } catch (error) {
      throw noCredentials(error instanceof Error ? error.message : String(error));
    }
    if (!token) throw noCredentials("Google gave no token");
    return token;
  };
}

/** Known by its name as a lack of credentials. */
function noCredentials(message: string): Error {
  return Object.assign(new Error(message), { name: "CredentialsProviderError" });
}

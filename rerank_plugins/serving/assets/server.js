// A refusal is one sentence that can be shown as it stands.
async function asked(path, body, signal) {
  const headers = {};
  if (byId("key").value) headers["Authorization"] = `Bearer ${byId("key").value}`;
  if (body) headers["Content-Type"] = "application/json";
  const sent = { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body), signal };
  const answer = await fetch(path, sent).catch(() => {
    throw new Error("The server cannot be reached. Is it still running?");
  });
  if (answer.status === 401) throw locked();
  const reply = await answer.json().catch(() => ({}));
  if (answer.ok) return reply;
  throw new Error(sentence(reply, answer));
}

function locked() {
  const tried = Boolean(byId("key").value) && !byId("unlock").hidden;
  byId("unlock").hidden = false;
  byId("key").focus();
  return new Error(tried ? "This is not the key of this server." : "This server asks for its key. Enter it above.");
}

function sentence(reply, answer) {
  const said = reply.message ?? `The server answered with HTTP ${answer.status}.`;
  const wait = answer.headers.get("Retry-After");
  return wait ? `${said} It expects a place in ${wait} s.` : said;
}

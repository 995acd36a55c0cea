"use strict";
{
  const link = document.getElementById("link");
  const parts = [...document.querySelectorAll("[data-part]")];
  const clock = () => new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
  let ended = "", seen = clock();

  const say = (state, text) => {
    if (link.dataset.state !== state || state === "lost") link.textContent = text;
    link.dataset.state = state;
  };

  // Each part is requested once at a time; events that arrive meanwhile cause one more request.
  const load = async (part) => {
    if (part.loading) { part.again = true; return; }
    part.loading = true;
    try {
      do {
        part.again = false;
        const answer = await fetch(part.dataset.part, { headers: part.tag ? { "If-None-Match": part.tag } : {} });
        if (answer.status === 401) ended = "The server was started again: open the address that it printed.";
        if (answer.status !== 200) continue;
        const text = await answer.text();
        part.tag = answer.headers.get("ETag");
        const focused = part.contains(document.activeElement) ? document.activeElement.id : "";
        part.innerHTML = text;
        if (focused) document.getElementById(focused)?.focus();
      } while (part.again);
    } catch {
      part.stale = true; // the stream says that the server is gone
    } finally {
      part.loading = false;
    }
  };
  const loadAll = () => parts.forEach(load);

  // Messages of the one stream that all tabs share.
  let version = "";
  const hear = (news) => {
    if (news.lost) {
      say("lost", news.lost);
    } else if (news.version !== undefined) {
      say("live", "Live");
      const changed = news.version !== version;
      version = news.version;
      seen = clock();
      if (document.hidden) return;
      if (changed || parts.some((part) => part.stale)) { parts.forEach((part) => { part.stale = false; }); loadAll(); }
    }
  };
  let shown = "";
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && shown !== version) loadAll();
    shown = version;
  });

  // A browser opens six connections to a server at most, so one tab has the stream and tells the others.
  const channel = "BroadcastChannel" in window ? new BroadcastChannel("allometry") : null;
  let last = null;
  const tell = (news) => { last = news; hear(news); channel?.postMessage(news); };
  const follow = (wait = 1000) => {
    const source = new EventSource("/events");
    source.addEventListener("version", (event) => { wait = 1000; tell(JSON.parse(event.data)); });
    source.addEventListener("end", () => { ended = "The server has ended."; });
    source.onerror = () => {
      tell({ lost: `${ended || "The server does not answer."} As it was at ${seen}; trying again.` });
      if (source.readyState === EventSource.CLOSED) {
        loadAll(); // which finds out whether the token has changed
        setTimeout(() => follow(Math.min(2 * wait, 15000)), wait);
      }
    };
    source.onopen = () => { ended = ""; };
  };
  if (channel) {
    channel.onmessage = (message) => {
      if (message.data === "ask") { if (last) channel.postMessage(last); } else hear(message.data);
    };
    channel.postMessage("ask");
  }
  if (channel && navigator.locks) {
    navigator.locks.request("allometry", () => { follow(); return new Promise(() => {}); });
  } else {
    follow();
  }
}

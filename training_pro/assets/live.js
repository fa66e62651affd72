() => {
  // Follows the session on this page: asks the server what is new, puts HTML into the page's slots, and presses a hidden
  // button where gradio's controls have to change. What a slot shows is written on it, so that one which the page has
  // made anew is filled again. The HTML is the server's own, in which all words from outside are escaped.
  const SOON_MS = 250, HIDDEN_MS = 5000, AWAY_MS = 3000, STARTED_MS = 10000;
  if (window.trainingProLive) return;
  const own = { view: {}, pulled: {}, timer: null, looking: false, again: false, goes: false, startedAt: 0 };

  const slots = () => document.querySelectorAll(".training-pro .tp-slot");
  const ask = async () => {
    const have = {};
    for (const slot of slots()) have[slot.dataset.slot] = slot.dataset.version;
    const config = window.gradio_config ?? {};
    const answer = await fetch(`${config.root ?? ""}${config.api_prefix ?? ""}/run/training_pro_live`, {
      method: "POST", headers: { "Content-Type": "application/json" },
      // Without a session of its own gradio would make one anew for each question, which costs more than the answer.
      body: JSON.stringify({ data: [JSON.stringify({ have, view: own.view })], session_hash: "training-pro-live" }),
    });
    return JSON.parse((await answer.json()).data[0]);
  };
  const put = (slot, version, html) => {
    if (slot.querySelector(".tp-hit:hover")) return; // somebody reads a value there
    const open = [...slot.querySelectorAll("details")].map((one) => one.open);
    slot.innerHTML = html;
    slot.querySelectorAll("details").forEach((one, place) => { if (place in open) one.open = open[place]; });
    slot.dataset.version = version;
  };
  const pull = (name, version) => {
    const trigger = document.getElementById("tp-pull-" + name);
    if (!trigger || own.pulled[name] === version) return;
    own.pulled[name] = version;
    trigger.click();
  };
  const show = (answer) => {
    for (const slot of slots()) {
      const drawn = answer.slots[slot.dataset.slot];
      if (drawn) put(slot, ...drawn);
    }
    for (const [name, version] of Object.entries(answer.pulled)) pull(name, version);
    follow(answer.pulse);
    window.trainingProNotices?.tell(answer.pulse);
  };
  const follow = (run) => {
    const goes = Boolean(run.name && !run.ending);
    if (goes && !own.goes && Date.now() - own.startedAt < STARTED_MS)
      document.getElementById("tp-status")?.scrollIntoView({ behavior: "smooth", block: "start" });
    own.goes = goes;
  };
  const after = (pause_ms) => { clearTimeout(own.timer); own.timer = setTimeout(look, pause_ms); };
  const look = async () => {
    if (own.looking) { own.again = true; return; }
    own.looking = true;
    let pause_ms = AWAY_MS;
    try {
      const answer = await ask();
      show(answer);
      pause_ms = document.hidden ? Math.max(answer.pace_ms, HIDDEN_MS) : answer.pace_ms;
    } catch { /* the server is away: it is asked again */ }
    own.looking = false;
    after(own.again ? SOON_MS : pause_ms);
    own.again = false;
  };
  window.trainingProLive = { look, view: (measure, smoothing, log) => { own.view = { measure, smoothing, log }; look(); } };
  const soon = (event) => {
    if (event.isTrusted && event.target.closest?.(".training-pro")) after(SOON_MS);
  };
  // What Verify has found is of the settings as they were; that a run has been started is seen without scrolling.
  const STALE = ".tp-setting, #tp-preset, #tp-copy-from, #tp-import", STARTS = "#tp-start, #tp-ask button";
  const changed = (event) => {
    if (event.isTrusted && event.target.closest?.(STALE) && event.target.closest(".training-pro"))
      document.querySelector("#tp-verified .tp-checked")?.classList.add("tp-stale");
  };
  const pressed = (event) => { if (event.target.closest?.(STARTS)) own.startedAt = Date.now(); };
  for (const sign of ["input", "change"]) document.addEventListener(sign, changed, true);
  document.addEventListener("mousedown", (event) => { if (event.target.closest?.("[role=option]")) changed(event); }, true);
  document.addEventListener("click", pressed, true);
  for (const sign of ["click", "change", "pointerup"]) document.addEventListener(sign, soon, true);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
  look();
}

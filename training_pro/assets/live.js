() => {
  // Follows the session on this page: asks the server what is new, puts HTML into the page's slots, and presses a hidden
  // button where gradio's controls have to change. What a slot shows is written on it, so that one which the page has
  // made again is filled again. The chart is drawn by chart.js. The HTML is the server's own, in which all words from outside are escaped.
  const SOON_MS = 250, HIDDEN_MS = 5000, AWAY_MS = 3000, PULL_MS = 5000;
  const LONGEST_MS = 15000, TABLE_MS = 120000, MISSED = 3;
  if (window.trainingProLive) return;
  const own = {
    pulled: {}, asked: null, timer: null, looking: false, again: false, missed: 0, held: null,
    answeredAt: new Date(),
  };

  const slots = () => document.querySelectorAll(".training-pro .tp-slot");
  const ask = async (question, longest_ms = LONGEST_MS) => {
    const config = window.gradio_config ?? {};
    const answer = await fetch(`${config.root ?? ""}${config.api_prefix ?? ""}/run/training_pro_live`, {
      method: "POST", headers: { "Content-Type": "application/json" }, signal: AbortSignal.timeout(longest_ms),
      // Without a session of its own gradio would make a new one for each question, which costs more than the answer.
      body: JSON.stringify({
        data: [JSON.stringify(question)], session_hash: "training-pro-live",
      }),
    });
    return JSON.parse((await answer.json()).data[0]);
  };
  const news = () => {
    const have = {}, chart = window.trainingProChart;
    for (const slot of slots()) have[slot.dataset.slot] = slot.dataset.version;
    return { have, chart: chart?.have(), smoothing: chart?.smoothing() };
  };
  const put = (slot, version, html) => {
    const open = [...slot.querySelectorAll("details")].map((one) => one.open);
    const rolls = () => [...slot.querySelectorAll(".tp-film, .tp-scroll")];
    // What was rolled to its end stays there, so that the newest answer is in sight.
    const across = rolls().map((one) => one.scrollLeft + one.clientWidth >= one.scrollWidth - 2 ? Infinity : one.scrollLeft);
    slot.innerHTML = html;
    slot.querySelectorAll("details").forEach((one, place) => { if (place in open) one.open = open[place]; });
    rolls().forEach((one, place) => { one.scrollLeft = Math.min(across[place] ?? 0, one.scrollWidth); });
    slot.dataset.version = version;
  };
  // A list that is open under somebody's hand is not filled again, nor a live value that is being typed. Nor is anything
  // replaced under a pressed button: the click would be lost with what it began on.
  const choosing = () => document.querySelector('.training-pro :is(:is(input, .tp-dots)[aria-expanded="true"], ul[role="listbox"])')
    || window.trainingProHands?.typing() || own.held?.closest?.(".training-pro");
  document.addEventListener("pointerdown", (event) => { own.held = event.target; }, true);
  for (const sign of ["pointerup", "pointercancel"]) document.addEventListener(sign, () => { own.held = null; }, true);
  document.addEventListener("pointermove", (event) => { if (!event.buttons) own.held = null; }, { capture: true, passive: true });
  // One question at a time for all that is due; what got no answer is asked for again.
  const pull = (versions) => {
    if (own.asked && !own.asked.got && Date.now() - own.asked.at < PULL_MS) return;
    const due = Object.entries(versions).filter(([name, version]) => own.pulled[name] !== version);
    if (!due.length) return;
    own.asked = { due: JSON.stringify(Object.fromEntries(due)), at: Date.now() };
    document.getElementById("tp-pull")?.click();
  };
  const got = (answered) => {
    Object.assign(own.pulled, JSON.parse(answered));
    if (answered === own.asked.due) own.asked.got = true;
  };
  const show = (answer) => {
    try {
      for (const slot of slots()) {
        const drawn = answer.slots[slot.dataset.slot];
        if (drawn && !slot.contains(own.held)) put(slot, ...drawn);
      }
      window.trainingProChart?.show(answer.chart);
      if (!choosing()) pull(answer.pulled);
    } finally {
      window.trainingProPage?.follow(answer.pulse);
      window.trainingProNotices?.tell(answer.pulse);
    }
  };
  const told = (missed) => {
    if (own.missed >= MISSED && !missed) window.trainingProPage?.back();
    own.missed = missed;
    if (!missed) own.answeredAt = new Date();
    if (missed >= MISSED) {
      window.trainingProPage?.unanswered();
      window.trainingProStart?.free();
    }
    const words = `No answer from the server since ${own.answeredAt.toLocaleTimeString()}: what is shown may be old.`;
    for (const page of document.querySelectorAll(".training-pro"))
      if (missed >= MISSED) page.dataset.away = words; else delete page.dataset.away;
  };
  const after = (pause_ms) => { clearTimeout(own.timer); own.timer = setTimeout(look, pause_ms); };
  const look = async () => {
    if (own.looking) { own.again = true; return; }
    own.looking = true;
    let pause_ms = AWAY_MS;
    try {
      const answer = await ask(news());
      show(answer);
      told(0);
      pause_ms = document.hidden ? Math.max(answer.pace_ms, HIDDEN_MS) : answer.pace_ms;
    } catch { told(own.missed + 1); } // it is asked again
    own.looking = false;
    after(own.again ? SOON_MS : pause_ms);
    own.again = false;
  };
  window.trainingProLive = {
    look, got,
    due: () => own.asked.due,
    // Every update of the run as CSV; null where the server does not answer, which the page then says.
    table: () => ask({ table: true }, TABLE_MS).then((answer) => answer.table, () => { told(MISSED); return null; }),
  };
  const soon = (event) => {
    if (event.isTrusted && event.target.closest?.(".training-pro")) after(SOON_MS);
  };
  for (const sign of ["click", "change", "pointerup"]) document.addEventListener(sign, soon, true);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
  look();
}

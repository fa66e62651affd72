() => {
  // Tells in the page's title how far the run is, and at its end also by a sound or a desktop notification. Runs once
  // when the page opens; gives what this browser remembers of the two switches. live.js tells it of the run. All words
  // are set as text.
  const END = { finished: "Done", stopped: "Done", interrupted: "Stopped", wrong: "Went wrong", failed: "Failed" };
  const kept = (name) => { try { return localStorage.getItem("training-pro-" + name) === "on"; } catch { return false; } };
  const keep = (name, on) => { try { localStorage.setItem("training-pro-" + name, on ? "on" : "off"); } catch { /* private */ } };
  const granted = () => "Notification" in window && Notification.permission === "granted";
  if (window.trainingProNotices) return window.trainingProNotices.state();

  const own = { sound: kept("sound"), desktop: kept("desktop") && granted(), audio: null };
  let title = null, going = false, lastQueued = null, told = "";

  const beep = () => {
    try {
      own.audio ??= new AudioContext();
      own.audio.resume();
      [660, 880].forEach((pitch, place) => {
        const tone = own.audio.createOscillator(), loudness = own.audio.createGain();
        const from = own.audio.currentTime + 0.22 * place;
        tone.frequency.value = pitch;
        loudness.gain.setValueAtTime(0.15, from);
        loudness.gain.exponentialRampToValueAtTime(0.001, from + 0.2);
        tone.connect(loudness).connect(own.audio.destination);
        tone.start(from);
        tone.stop(from + 0.2);
      });
    } catch { /* no sound here */ }
  };
  const entitle = (words) => { title ??= document.title; document.title = words; };
  const untitle = () => { if (title !== null && !going) { document.title = title; title = null; } };
  const ended = (run) => {
    told = run.name + run.ending;
    const words = `${END[run.ending] ?? "Ended"} · ${run.name}`;
    entitle(words);
    if (own.sound) beep();
    if (own.desktop && granted()) {
      try { new Notification(words, { body: run.reason, tag: "training-pro-" + run.name }); } catch { /* phones */ }
    }
  };
  // Of a queue the next run may go before anybody has looked: its list tells of the one that ended last.
  const tellQueued = (queued) => {
    const before = lastQueued;
    lastQueued = queued?.key ?? "";
    if (before !== null && lastQueued && lastQueued !== before && told !== queued.name + queued.ending) ended(queued);
  };
  const tell = (run) => {
    tellQueued(run?.queued);
    if (!run?.name) { going = false; untitle(); return; } // another server, which knows of no run
    if (!run.ending) {
      going = true;
      told = "";
      entitle(`${["paused", "preparing"].includes(run.phase) ? run.phase + " " : ""}${run.percent} % · ${run.name}`);
    } else if (going) {
      going = false;
      ended(run);
    }
  };
  window.trainingProNotices = {
    state: () => [own.sound, own.desktop],
    tell,
    sound: (on) => { own.sound = on; keep("sound", on); if (on) beep(); return on; },
    desktop: async (on) => {
      let why = "";
      if (on && !("Notification" in window)) why = "This browser shows notifications only for pages opened by https or on this machine.";
      else if (on && (await Notification.requestPermission()) !== "granted") why = "The browser doesn't allow notifications of this page; allow them in its settings for the page.";
      own.desktop = on && !why;
      keep("desktop", own.desktop);
      return [own.desktop, why];
    },
  };
  for (const sign of ["pointerdown", "keydown"]) document.addEventListener(sign, untitle, true);
  return window.trainingProNotices.state();
}

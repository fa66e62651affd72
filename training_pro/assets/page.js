() => {
  // What the page does by itself: shows the face of Train that fits (form, run, how it ended), checks the settings half a
  // second after a change, marks fields that are wrong or changed, filters "All settings", and keeps the form in this
  // browser. Everything else is the server's.
  const CHECK_AFTER_MS = 500, FORM = "training-pro-form", SEEN = "training-pro-seen", TYPED = "training-pro-typed", CHOSEN = "training-pro-chosen";
  if (window.trainingProPage) return;
  const page = () => document.querySelector(".training-pro");
  const own = { timer: null, since: null, lost: null, checking: false, again: false, pulse: {}, marks: "", sent: {}, filled: false, met: false };

  // Browsers may forbid pages to keep anything: then nothing is.
  const nowhere = { getItem: () => null, setItem: () => {} };
  const shelf = (name) => { try { window[name].getItem(FORM); return window[name]; } catch { return nowhere; } };
  const session = shelf("sessionStorage"), local = shelf("localStorage");
  const parsed = (words) => { try { return JSON.parse(words || "{}") ?? {}; } catch { return {}; } };

  // -- the three faces ----------------------------------------------------------------------------------------------
  const face = () => {
    const { name, ending, key } = own.pulse;
    if (!name) return "form";
    if (!ending) return "run";
    return session.getItem(SEEN) === key ? "form" : "ended";
  };
  // Until the server has said whether a run is in progress, and has filled in the form, neither is shown.
  const ready = (now) => own.met && (now !== "form" || own.filled || !document.getElementById("tp-start"));
  const follow = (pulse) => {
    own.pulse = pulse;
    own.met = true;
    window.trainingProStart?.follow(pulse);
    turn();
  };
  // The form as it is: nobody answers, which is said above it, or something on the way has failed.
  const LATE_MS = 20000;
  const unanswered = () => { own.met = own.filled = true; turn(); };
  setTimeout(unanswered, LATE_MS);
  const turn = () => {
    const here = page(), now = face();
    if (!here) return;
    const before = here.dataset.face;
    if (!before && !ready(now)) return;
    if (before !== now) {
      here.dataset.face = now;
      for (const name of ["prepare", "menu", "details"]) fold(name);
      // What went wrong is looked at first, what went well is asked.
      if (now === "ended" && here.querySelector('.tp-run-status[data-tone="red"]')) toggle("details");
      if (now === "form" && before) check();
    }
  };

  // -- what was typed and not checked yet ---------------------------------------------------------------------------
  // After a restart the server builds the page from its last check: what was typed since is put back.
  // The server fills in what it can read of it, and all that was chosen from a list or ticked.
  const stored = (where) => parsed(session.getItem(where));
  const put = (where, name, value) => session.setItem(where, JSON.stringify({ ...stored(where), [name]: value }));
  const typed = () => stored(TYPED);
  const keep = (field) => {
    const name = field.closest(".tp-setting").id.replace("tp-", "");
    if (field.matches('input[type="checkbox"]')) put(CHOSEN, name, field.checked);
    else if (field.matches(':is(input[type="number"], input[type="text"], input:not([type]), textarea):not([role])')) put(TYPED, name, field.value);
  };
  const keepChoice = (option) => {
    const list = document.querySelector('.training-pro .tp-setting input[role][aria-expanded="true"]');
    const name = list?.closest(".tp-setting").id.replace("tp-", "");
    if (name) put(CHOSEN, name, option.getAttribute("aria-label") ?? option.textContent.trim());
  };
  const known = (sent) => {
    for (const [where, values] of Object.entries(sent)) {
      const rest = Object.entries(stored(where)).filter(([name, value]) => values[name] !== value);
      session.setItem(where, JSON.stringify(Object.fromEntries(rest)));
    }
  };
  // The form as it was checked last, and what was typed and chosen since; a field that is folded away is no field yet.
  const kept = () => {
    const since = Object.entries({ ...typed(), ...stored(CHOSEN) }).map(([name, value]) => [name.replaceAll("-", "_"), value]);
    const before = local.getItem(FORM) ?? "";
    return [since.length ? JSON.stringify({ ...parsed(before), ...Object.fromEntries(since) }) : before];
  };
  const PUT_BACK_MS = 300;  // the page has been filled by then, and drawn after it
  const putBack = (entries) => {
    for (const [name, value] of entries) if (input(name) && input(name).value !== value) set(name, value);
    check();
  };
  const onceDrawn = (what) => requestAnimationFrame(() => requestAnimationFrame(what));
  const opened = () => {
    const entries = Object.entries(typed());
    if (entries.length) setTimeout(() => onceDrawn(() => { putBack(Object.entries(typed())); filled(); }), PUT_BACK_MS);
    else { filled(); check(); }
  };
  const filled = () => { own.filled = true; turn(); };
  // The answer to a choice of files, with a name made from them: one that was typed while it was on its way stays.
  const named = () => {
    const { name } = typed();
    if (name) onceDrawn(() => putBack([["name", typed().name ?? name]])); else check();
  };
  // The server answers again: what was asked of it meanwhile has no answer.
  const back = () => { own.checking = false; rest(); check(); };

  // -- the check ----------------------------------------------------------------------------------------------------
  const CHECKING_MS = 400;  // a check that takes less is not worth a word
  const LOST_MS = 30000;    // one that was to end, and says nothing for so long, has got lost
  const underWay = () => { own.since = setTimeout(() => { page().dataset.checking = ""; }, CHECKING_MS); };
  const press = () => {
    own.again = own.checking;
    if (own.again) {
      document.getElementById("tp-check-outdated")?.click();
      own.lost ??= setTimeout(back, LOST_MS);
      return;
    }
    own.checking = true;
    underWay();
    own.sent = { [TYPED]: stored(TYPED), [CHOSEN]: stored(CHOSEN) };
    document.getElementById("tp-check")?.click();
  };
  const check = (wait_ms = 0) => {
    // What Start said was about the settings of before; its question waits for an answer. At once: of a field that a
    // click on Start leaves, the change comes before the click.
    if (!document.getElementById("tp-ask")?.offsetParent) document.getElementById("tp-start-said")?.classList.add("tp-past");
    clearTimeout(own.timer);
    own.timer = setTimeout(press, wait_ms);
  };
  // What Start says is shown, whatever was typed while it was on its way. Where it refused, the check before it may be out
  // of date: a file is gone, say.
  const started = (said) => {
    document.getElementById("tp-start-said")?.classList.remove("tp-past");
    window.trainingProStart.answered(said);
    if (said?.includes("tp-error")) press();
  };
  const rest = () => {
    clearTimeout(own.since);
    clearTimeout(own.lost);
    own.lost = null;
    delete page()?.dataset.checking;
  };
  const checked = () => {
    rest();
    own.checking = false;
    if (own.again) press(); else if (own.answered) known(own.sent);
    own.answered = false;
  };
  const answered = () => { own.answered = true; };  // before `checked`, where the server has read the form
  const changed = (event) => {
    if (!event.target.closest?.(".training-pro .tp-setting")) return;
    keep(event.target);
    check(CHECK_AFTER_MS);
  };
  for (const sign of ["input", "change"]) document.addEventListener(sign, (e) => { if (e.isTrusted) changed(e); }, true);
  document.addEventListener("mousedown", (event) => {
    const option = event.isTrusted && event.target.closest?.("[role=option]");
    if (!option) return;
    keepChoice(option);
    check(CHECK_AFTER_MS);
  }, true);
  document.addEventListener("keydown", (event) => {
    if (!event.isTrusted || event.key !== "Enter") return;
    changed(event);
    const field = event.target, setting = field.closest?.(".training-pro .tp-setting:has(input[role])");
    if (setting) setTimeout(() => put(CHOSEN, setting.id.replace("tp-", ""), field.value), 50);  // which is in the field by then
  }, true);

  // Where numbers are written with a point, browsers leave out a comma that is typed into a number: 1,5 would be 15.
  const writesCommas = (1.5).toLocaleString().includes(",");
  document.addEventListener("beforeinput", (event) => {
    if (writesCommas || !event.data?.includes(",") || !event.target.matches?.('.training-pro input[type="number"]')) return;
    event.preventDefault();
    document.execCommand("insertText", false, event.data.replaceAll(",", "."));
  }, true);
  // In a whole number, what has three digits after a comma or point is thousands: 1,000 is 1000.
  document.addEventListener("input", (event) => {
    const typed = event.target;
    if (!typed.matches?.('.training-pro .tp-whole input[type="number"]') || !/^-?\d{1,3}\.\d{3}$/.test(typed.value)) return;
    write(typed, typed.value.replace(".", ""));
  }, true);

  // -- a file that is dropped onto the page is uploaded --------------------------------------------------------------
  // Beside a place of gradio's own, the browser would leave the page and open the file.
  const chooser = () => [document.getElementById("tp-upload")].find((one) => one?.offsetParent)?.previousElementSibling;
  const dragged = (event) => {
    const here = page(), files = event.dataTransfer?.types.includes("Files");
    if (!files || !here?.contains(event.target)) return;
    event.preventDefault();
    if (event.type === "dragover" && chooser()) here.dataset.drop = ""; else delete here.dataset.drop;
    const upload = event.type === "drop" && chooser();
    if (!upload || !event.dataTransfer.files.length) return;
    upload.files = event.dataTransfer.files;
    upload.dispatchEvent(new Event("change", { bubbles: true }));
  };
  for (const sign of ["dragover", "drop"]) document.addEventListener(sign, dragged);
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) delete page()?.dataset.drop; });

  // -- marks --------------------------------------------------------------------------------------------------------
  const field = (name) => document.getElementById("tp-" + name.replaceAll("_", "-"));
  const line = (where, kind) => {
    const made = document.createElement(kind === "tp-fault" ? "p" : "span");
    made.className = kind;
    where.append(made);
    return made;
  };
  const mark = (said) => {
    for (const old of document.querySelectorAll(".training-pro :is(.tp-fault, .tp-told-here, .tp-was)")) old.remove();
    for (const old of document.querySelectorAll(".training-pro :is(.tp-wrong, .tp-changed)")) old.classList.remove("tp-wrong", "tp-changed");
    for (const [name, sentence] of Object.entries(said.wrong)) {
      const where = field(name);
      if (!where) continue;
      where.classList.add("tp-wrong");
      const fault = line(where, "tp-fault");
      fault.textContent = sentence;
      fault.setAttribute("role", "alert");
    }
    for (const [name, sentence] of Object.entries(said.told)) {
      if (!field(name) || name in said.wrong) continue;
      const told = line(field(name), "tp-told-here");
      told.textContent = sentence;
      told.setAttribute("role", "status");
    }
    let inside = 0;
    for (const [name, before] of Object.entries(said.changed)) {
      const where = field(name);
      if (!where) continue;
      where.classList.add("tp-changed");
      const label = where.querySelector('[data-testid="block-info"]') ?? where.querySelector("label");
      if (label) line(label, "tp-was").textContent = before === "" ? "changed" : `was ${before}`;
      if (where.closest("#tp-all")) inside += 1;
    }
    count(inside);
    tie();
    local.setItem(FORM, JSON.stringify(said.form));
    filter();
  };

  // -- what follows what: alpha the rank, and what batch and accumulation come to ------------------------------------
  const input = (name) => field(name)?.querySelector("input, textarea");
  const isAuto = (typed) => typed.trim() === "" || typed.trim().toLowerCase() === "auto";
  const write = (typed, value) => {
    Object.getOwnPropertyDescriptor(Object.getPrototypeOf(typed), "value").set.call(typed, String(value));
    typed.dispatchEvent(new Event("input", { bubbles: true }));
  };
  const set = (name, value) => {
    const typed = input(name);
    write(typed, value);
    for (const sign of ["change", "blur"]) typed.dispatchEvent(new Event(sign, { bubbles: sign !== "blur" }));
  };
  const tie = () => {
    const alpha = field("alpha"), rank = Number(input("rank")?.value), gathered = field("gradient_accumulation_steps");
    if (!alpha || !gathered) return;
    const tied = isAuto(input("alpha").value), chain = alpha.querySelector(".tp-chain") ?? line(alpha, "tp-chain");
    if (!chain.firstChild) {
      const made = document.createElement("button");
      made.type = "button";
      made.className = "tp-i tp-i-link";
      made.addEventListener("click", () => { set("alpha", isAuto(input("alpha").value) ? 2 * Number(input("rank").value) : "auto"); tie(); check(CHECK_AFTER_MS); });
      chain.append(made);
    }
    chain.firstChild.setAttribute("aria-label", "LoRA Alpha follows the rank");
    chain.firstChild.setAttribute("aria-pressed", String(tied));
    chain.firstChild.title = tied ? "Alpha is twice the rank. Press to set it yourself." : "Press to let alpha follow the rank.";
    if (tied && rank > 0) alpha.dataset.means = `= ${2 * rank}`; else delete alpha.dataset.means;
    const size = Number(input("batch_size")?.value), times = Number(input("gradient_accumulation_steps").value), blocks = size * times;
    const means = gathered.querySelector(".tp-means") ?? line(gathered, "tp-means");
    means.textContent = blocks > 0 ? `${size} × ${times} = ${blocks} block${blocks === 1 ? "" : "s"} per update` : "";
    gathered.classList.toggle("tp-meant", blocks > 0);
  };
  document.addEventListener("input", (event) => { if (event.target.closest?.("#tp-rank, #tp-alpha, #tp-batch-size, #tp-gradient-accumulation-steps")) tie(); }, true);

  const count = (number) => {
    const title = document.querySelector("#tp-all .label-wrap, #tp-all > button");
    if (!title) return;
    title.querySelector(".tp-chip")?.remove();
    if (!number) return;
    const chip = line(title.querySelector("span") ?? title, "tp-chip tp-blue");
    chip.textContent = `${number} changed`;
    chip.style.marginLeft = "8px";
  };
  const read = () => {
    const said = document.querySelector("#tp-marks .tp-marks")?.dataset.marks;
    if (!said || said === own.marks) return;
    own.marks = said;
    mark(JSON.parse(said));
  };
  new MutationObserver(read).observe(document.body, { childList: true, subtree: true });

  // -- all settings -------------------------------------------------------------------------------------------------
  const filter = () => {
    const words = (document.querySelector(".training-pro .tp-search")?.value ?? "").trim().toLowerCase();
    const only = document.querySelector('.training-pro [data-do="only-changed"]')?.getAttribute("aria-pressed") === "true";
    for (const group of document.querySelectorAll("#tp-all .tp-group")) {
      let any = false;
      for (const one of group.querySelectorAll(".tp-setting")) {
        const shown = (!words || one.textContent.toLowerCase().includes(words)) && (!only || one.classList.contains("tp-changed"));
        one.classList.toggle("tp-filtered", !shown);
        any ||= shown;
      }
      group.classList.toggle("tp-filtered", !any);
    }
  };
  document.addEventListener("input", (event) => { if (event.target.closest?.(".tp-search")) filter(); }, true);

  // -- buttons of our own HTML --------------------------------------------------------------------------------------
  const fold = (name, on = false) => {
    const here = page();
    if (on) here.dataset[name] = ""; else delete here.dataset[name];
    for (const pressed of here.querySelectorAll(`[data-do="${name}"]`)) pressed.setAttribute("aria-expanded", String(on));
  };
  const toggle = (name) => fold(name, !(name in page().dataset));
  const newRun = () => {
    session.setItem(SEEN, own.pulse.key ?? "");
    follow(own.pulse);
    page().scrollIntoView({ block: "start" });
  };
  // On a phone the answers stand below the window.
  const toAnswers = (slot, tries = 20) => {
    if (slot.firstChild) slot.scrollIntoView({ block: "nearest", behavior: "smooth" });
    else if (tries) setTimeout(() => toAnswers(slot, tries - 1), 150);
  };
  const deeds = {
    menu: () => toggle("menu"),
    prepare: () => toggle("prepare"),
    details: () => toggle("details"),
    presets: () => toggle("presets"),
    blocks: () => toggle("blocks"),
    remarks: () => toggle("remarks"),
    "to-remarks": () => document.getElementById("tp-run-to-be-card")?.scrollIntoView({ behavior: "smooth" }),
    "new-run": () => newRun(),
    "only-changed": (pressed) => {
      pressed.setAttribute("aria-pressed", String(pressed.getAttribute("aria-pressed") !== "true"));
      filter();
    },
    reset: () => document.getElementById("tp-reset")?.click(),
  };
  // Of a run that has just begun the button may not be there or not be free yet: it is pressed as soon as it is. The last
  // wish counts.
  const FREE_MS = 15000;
  const pressOnceFree = (name, until) => {
    const target = document.getElementById(name);
    own.wish = null;
    if (target && !target.disabled) target.click();
    else if (Date.now() < until && own.pulse.name && !own.pulse.ending) own.wish = setTimeout(() => pressOnceFree(name, until), 100);
  };
  // Where somebody asks, Enter asks and Shift+Enter begins a line; gradio has it the other way round. A touch keyboard
  // has no such Shift.
  document.addEventListener("keydown", (event) => {
    const asked = event.target.closest?.("#tp-ask-prompt, #tp-runs-ask-prompt");
    if (!asked || event.key !== "Enter" || event.isComposing) return;
    event.stopImmediatePropagation();
    if (event.shiftKey || matchMedia("(pointer: coarse)").matches) return;
    event.preventDefault();
    document.getElementById(asked.id.replace("prompt", "go"))?.click();
  }, true);
  document.addEventListener("click", (event) => {
    const asked = event.target.closest?.("#tp-ask-go, #tp-runs-ask-go");
    if (asked) toAnswers(asked.closest(".tp-card").querySelector('[data-slot="answers"]'));
    if (event.target.closest?.("#tp-start, #tp-ask button")) document.getElementById("tp-start-said")?.classList.remove("tp-past");
    const pressed = event.target.closest?.(".training-pro [data-do], .training-pro [data-press], #tp-look");
    if (!pressed) return;
    if (pressed.id === "tp-look") toggle("blocks");
    else if (pressed.closest(".tp-run-line")) { clearTimeout(own.wish); pressOnceFree(pressed.dataset.press, Date.now() + FREE_MS); }
    else if (pressed.dataset.press) document.getElementById(pressed.dataset.press)?.click();
    else deeds[pressed.dataset.do]?.(pressed);
  }, true);

  window.trainingProPage = { check, checked, answered, named, started, opened, kept, back, follow, unanswered, newRun, runName: () => own.pulse.name };
}

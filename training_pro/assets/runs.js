() => {
  // The list of runs: rows open by a click, ticks compare, each row has a menu, and a search hides what does not match.
  // The list is drawn again by the server; ticks and search are kept here and put onto the new one.
  if (window.trainingProRuns) return;
  const ITEMS = [
    ["open", "Open"], ["ask", "Ask it", "ask"], ["use", "Use it in chat", "use"], ["copy", "Use these settings", "copy"],
    ["resume", "Resume", "resume"], ["further", "Train further", "further"], ["measure", "Measure perplexity", "measure"],
    ["export", "Export", "export"], ["folder", "Open folder"], ["delete", "Delete"],
  ];
  const THERE = { copy: ["Train"], resume: ["Train"], export: ["Tools", "tp-export-lora-card"] };
  const BELOW = { further: "tp-runs-further", open: "tp-runs-shown-card", ask: "tp-runs-ask-card", measure: "tp-measure-card" };
  const ticked = new Set();
  let menu = null, opener = null;
  let opened = "", compared = false;  // what is shown below the list: the run that was opened, or those that are ticked

  const list = () => document.querySelector(".training-pro .tp-runs");
  const rows = () => [...(list()?.querySelectorAll("tr[data-run]") ?? [])];
  const wait = (id) => {
    let tries = 0;
    const look = () => {
      const found = document.getElementById(id);
      if (found?.offsetParent) found.scrollIntoView({ block: "nearest", behavior: "smooth" });
      else if (++tries < 20) setTimeout(look, 150);
    };
    setTimeout(look, 150);
  };
  const act = (what, names) => {
    if (what === "folder") copy(names[0]);
    if (what === "delete") { opened = ""; compared = false; }  // what is shown is closed
    if (what === "open" || what === "further") { opened = names[0]; compared = false; dress(); }
    const wanted = what === "further" ? "open" : what; // its number and button are below the run
    window.trainingProHands.press("runs", JSON.stringify({ do: wanted, names }));
    go(what);
  };
  // To where what was asked for is shown.
  const go = (what) => {
    const [tab, id] = THERE[what] ?? [];
    if (tab) [...document.querySelectorAll('.training-pro .tp-main-tabs [role="tab"]')].find((one) => one.textContent.trim() === tab)?.click();
    if (id ?? BELOW[what]) wait(id ?? BELOW[what]);
  };
  // A browser lets a page write to the clipboard at a click only.
  const copy = (name) => {
    const path = document.querySelector(".training-pro .tp-runs-head")?.dataset.folder;
    if (path) navigator.clipboard?.writeText(`${path}/${name}`).catch(() => {});
  };

  // -- ticks and search ---------------------------------------------------------------------------------------------
  const dress = () => {
    const here = new Set(rows().map((row) => row.dataset.run));
    for (const name of [...ticked]) if (list() && !here.has(name)) ticked.delete(name);
    if (list() && !here.has(opened)) opened = "";
    if (compared && ticked.size < 2) { stopComparing(); return; }  // one was deleted on another page
    const words = (document.querySelector(".training-pro .tp-run-search")?.value ?? "").trim().toLowerCase();
    for (const row of rows()) {
      const on = ticked.has(row.dataset.run);
      row.classList.toggle("tp-on", on);
      if (row.dataset.run === opened && !compared) row.setAttribute("aria-current", "true"); else row.removeAttribute("aria-current");
      row.querySelector(".tp-tick")?.setAttribute("aria-checked", String(on));
      row.hidden = words !== "" && !words.split(/\s+/).every((word) => row.dataset.words.includes(word));
    }
    const bar = document.querySelector(".training-pro .tp-ticked");
    if (!bar) return;
    bar.hidden = ticked.size === 0;
    const said = ticked.size < 2 ? "1 ticked; tick another to compare" : `${ticked.size} ticked${compared ? ", compared below" : ""}`;
    bar.querySelector('[data-many="compare"]').hidden = ticked.size < 2 || compared;
    const place = bar.querySelector("span");
    if (place.textContent !== said) place.textContent = said;
  };
  const tick = (name) => {
    if (ticked.has(name)) ticked.delete(name); else ticked.add(name);
    if (ticked.size > 1) compare(); else stopComparing();
  };
  // Ticks are for comparing alone: what was opened stays open until there are two, and comes back after them.
  const compare = () => { compared = true; dress(); act("show", [...ticked]); };
  const stopComparing = () => {
    const before = compared;
    compared = false;
    dress();
    if (before) act("show", opened ? [opened] : []);
  };
  const many = { compare, untick: () => { ticked.clear(); stopComparing(); } };
  // The keyboard's place in the list, which a new list would lose: which of a row's buttons.
  let focused = null;
  const places = (row) => [...row.querySelectorAll("button")];
  document.addEventListener("focusin", ({ target }) => {
    const row = target.closest?.(".training-pro .tp-runs tr[data-run]");
    focused = row ? { run: row.dataset.run, place: places(row).indexOf(target) } : null;
  });
  document.addEventListener("pointerdown", () => { focused = null; }, true);
  const refocus = () => {
    const row = focused && document.activeElement === document.body && rows().find((one) => one.dataset.run === focused.run);
    if (row) places(row)[focused.place]?.focus({ preventScroll: true });
  };
  // Gradio puts a new list in the place of the old, or mends the old where it differs.
  const has = (node) => node.matches?.(".tp-runs") || node.querySelector?.(".tp-runs");
  const drawn = ({ target, addedNodes }) => target.closest(".tp-runs") || [...addedNodes].some(has);
  new MutationObserver((changes) => {
    if (!changes.some(drawn)) return;
    dress();
    refocus();
  }).observe(document.body, { childList: true, subtree: true });
  document.addEventListener("input", (event) => { if (event.target.closest?.(".tp-run-search")) dress(); }, true);

  // -- the menu of a row --------------------------------------------------------------------------------------------
  const close = (back) => {
    menu?.remove();
    menu = null;
    opener?.setAttribute("aria-expanded", "false");
    if (back) opener?.focus();
  };
  const open = (button) => {
    const row = button.closest("tr"), can = row.dataset.can.split(" ");
    close();
    opener = button;
    button.setAttribute("aria-expanded", "true");
    menu = document.createElement("div");
    menu.className = "tp-row-menu";
    menu.setAttribute("role", "menu");
    for (const [what, words, needs] of ITEMS) {
      if (needs && !can.includes(needs)) continue;
      const item = document.createElement("button");
      item.type = "button";
      item.textContent = words;
      item.setAttribute("role", "menuitem");
      if (what === "delete") item.className = "tp-stop";
      item.addEventListener("click", () => { close(true); act(what, [row.dataset.run]); });
      menu.append(item);
    }
    const at = button.getBoundingClientRect(), page = document.querySelector(".training-pro");
    page.append(menu);
    const inside = page.getBoundingClientRect();
    // Above its row where the screen ends below it.
    const fits = at.bottom + 4 + menu.offsetHeight <= innerHeight;
    const top = fits ? at.bottom + 4 : Math.max(4, at.top - 4 - menu.offsetHeight);
    menu.style.top = `${top - inside.top}px`;
    menu.style.right = `${inside.right - at.right}px`;
    menu.firstChild?.focus();
  };
  document.addEventListener("keydown", (event) => {
    if (!menu?.contains(event.target)) return;
    const items = [...menu.children], place = items.indexOf(event.target);
    const to = { ArrowDown: place + 1, ArrowUp: place - 1, Home: 0, End: -1 }[event.key];
    if (event.key === "Escape" || event.key === "Tab") close(true);
    else if (to !== undefined) items.at(to % items.length)?.focus();
    else return;
    event.preventDefault();
  }, true);

  document.addEventListener("click", (event) => {
    const target = event.target;
    if (menu && !menu.contains(target) && !target.closest?.(".tp-dots")) close();
    const what = target.closest?.(".training-pro [data-many]")?.dataset.many;
    if (what) { if (many[what]) many[what](); else act(what, [...ticked]); return; }
    const row = target.closest?.(".training-pro .tp-runs tr[data-run]");
    if (!row) return;
    const dots = target.closest(".tp-dots");
    if (dots) { if (opener === dots && menu) close(); else open(dots); }
    else if (target.closest(".tp-tick")) tick(row.dataset.run);
    else act("open", [row.dataset.run]);
  }, true);

  window.trainingProRuns = { go };
}

() => {
  // Your run: what is under the pointer stays there while remarks come and go, so that a click hits what it was meant
  // for. Over the remarks, those that stay keep their places, and one that went leaves its place empty. Over them and over
  // Start, the card moves by as much as what stands above the pointer grew or shrank. When the pointer has left, all of it is
  // put in order.
  const CARD = "#tp-run-to-be-card", LIST = ".tp-remark-list", GONE = "tp-remark-gone", LATE = "tp-late";
  const MOST = 3, LAST = 1000;  // so many are not folded away; behind all others
  if (window.trainingProHold) return;
  const own = { card: null, part: null, base: 0, shift: 0, list: null, sign: "", rows: [] };

  const inList = (kind) => [...(own.list?.querySelectorAll(`:scope > .${kind}`) ?? [])];
  const rows = () => inList("tp-remark-row");
  // The same remark may have other numbers and files by now.
  const words = (row) => row.textContent.replace(/\S*[\d_.]\S*/g, "");
  const top = (part) => part.getBoundingClientRect().top - own.card.getBoundingClientRect().top;
  // What is pressed without looking: Start, and the buttons of the remarks. What is hidden by now stands nowhere.
  const held = (part) => part?.offsetParent && (part.contains(own.list) || part.contains(document.getElementById("tp-start")));
  const overRemarks = () => own.list && own.part?.contains(own.list);
  const move = (shift) => {
    own.shift = shift;
    own.card.style.translate = shift ? `0 ${shift}px` : "";
  };
  // Gradio puts new HTML in the place of the old, or mends the old where it differs: then the list is still the same one.
  const sign = () => own.list ? [...own.list.children].map((one) => one.textContent + one.style.order).join("\n") : "";
  // How the remarks stand, from the top: their words, and their height, which is 0 of those that are folded away.
  const measure = () => {
    own.rows = [...rows(), ...inList(GONE)]
      .map((row) => ({ words: words(row), height: row.offsetHeight, order: Number(row.style.order) }))
      .sort((one, other) => one.order - other.order);
  };
  const arrange = () => {
    inList(GONE).forEach((gone) => gone.remove());
    const now = new Map(rows().map((row) => [words(row), row]));
    rows().forEach((row, place) => { row.style.order = LAST; row.classList.toggle(LATE, place >= MOST); });
    own.rows.forEach(({ words: said, height }, place) => {
      const row = now.get(said) ?? (height ? own.list.appendChild(document.createElement("div")) : null);
      if (!row) return;
      if (now.has(said)) row.classList.toggle(LATE, !height);
      else Object.assign(row, { className: GONE }).style.height = `${height}px`;
      row.style.order = place;
    });
    inList("tp-link").forEach((more) => { more.style.order = LAST + 1; });
    measure();
  };
  const tidy = () => {
    inList(GONE).forEach((gone) => gone.remove());
    rows().forEach((row, place) => { row.style.order = ""; row.classList.toggle(LATE, place >= MOST); });
    own.sign = sign();
  };
  const release = () => {
    if (!own.card) return;
    watch.disconnect();
    move(0);
    tidy();
    own.card = own.part = null;
  };
  const come = (card) => {
    Object.assign(own, { card, list: card.querySelector(LIST) });
    own.sign = sign();
    measure();
    watch.observe(card, { childList: true, characterData: true, subtree: true });
  };
  const over = (event) => {
    const card = event.target.closest?.(CARD);
    if (!card || event.pointerType === "touch") { release(); return; }  // a finger rests nowhere
    if (own.card !== card) come(card);
    let part = event.target;
    while (part !== card && part.parentElement !== card) part = part.parentElement;
    if (part === card || part === own.part) return;
    const leftTheList = overRemarks();
    own.part = part;
    own.base = top(part) + own.shift;
    if (!leftTheList) return;
    tidy();
    move(own.base - top(part));
    measure();
  };
  const changed = () => {
    own.list = own.card.querySelector(LIST);
    if (sign() !== own.sign) {
      if (overRemarks()) arrange(); else tidy();
      own.sign = sign();
    }
    if (held(own.part)) move(own.base - top(own.part));
  };
  for (const kind of ["pointerover", "pointerdown"]) document.addEventListener(kind, over, true);
  document.addEventListener("click", () => { if (own.card) setTimeout(measure); }, true);
  // Who types is not about to press a remark's button, and each check would leave more places empty.
  document.addEventListener("keydown", () => { if (own.card && overRemarks()) { tidy(); measure(); } }, true);
  document.documentElement.addEventListener("mouseleave", release);
  const watch = new MutationObserver(changed);  // while the pointer is over the card
  window.trainingProHold = true;
}

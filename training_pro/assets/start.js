() => {
  // Start, from the press to what becomes of it: it says so at once, before any answer, and another press does nothing.
  // It can be pressed again when the server has refused or doesn't answer; a run that begins takes its place.
  const WORDS = "Starting …", BEGUN_MS = 5000, LONGEST_MS = 60000;
  const STARTS = '.training-pro :is(#tp-start, #tp-ask button:not(#tp-ask-cancel), [data-press="tp-start"])';
  if (window.trainingProStart) return;
  const own = { begun: false, timer: null, key: null, words: new Map() };

  const page = () => document.querySelector(".training-pro");
  const written = (button) => [...button.childNodes].find((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
  const say = (button) => {
    const place = button.closest("#tp-ask") ? null : written(button);
    button.setAttribute("aria-disabled", "true");
    own.words.set(button, place?.data);
    if (place) place.data = WORDS;
  };
  const free = () => {
    clearTimeout(own.timer);
    own.begun = false;
    delete page()?.dataset.starting;
    for (const [button, words] of own.words) {
      button.removeAttribute("aria-disabled");
      if (words) written(button).data = words;
    }
    own.words.clear();
  };
  const freeAfter = (wait_ms) => { clearTimeout(own.timer); own.timer = setTimeout(free, wait_ms); };
  const begin = () => {
    own.begun = true;
    page().dataset.starting = "";
    document.querySelectorAll(STARTS).forEach(say);
    freeAfter(LONGEST_MS);
  };
  window.addEventListener("click", (event) => {
    const pressed = event.target.closest?.(STARTS);
    if (!pressed) return;
    if (own.begun) {
      event.preventDefault();
      event.stopImmediatePropagation();
    } else if (!pressed.dataset.press) begin();  // else it presses Start itself
  }, true);

  // A request that comes to nothing is not answered either.
  const lost = ({ name, responseStatus: status }) => name.includes("/queue/join") && (status === 0 || status >= 400);
  new PerformanceObserver((list) => { if (own.begun && list.getEntries().some(lost)) free(); }).observe({ type: "resource" });

  // What the server answered: nothing said is a run that begins, which the next look shows.
  const answered = (said) => {
    if (!own.begun) return;
    if (!said) { freeAfter(BEGUN_MS); window.trainingProLive?.look(); return; }
    free();
    document.getElementById("tp-start-said")?.scrollIntoView({ block: "nearest" });
  };
  const follow = (pulse) => {
    const key = pulse.key ?? "";
    if (own.begun && key !== own.key) free();
    own.key = key;
  };
  window.trainingProStart = { answered, follow, free };
}

() => {
  // Lets buttons in HTML of ours reach the server: one with data-hand="NAME" and data-act="what to do" presses the hidden
  // button of that name, whose handler is given what to do. The same for the live values of a run, which are sent once
  // they have come to rest: a slider when it is let go, a number when it is left, or some time after the last key.
  const LIVE = { "tp-live-loss": "stop_at_loss", "tp-live-epoch": "stop_at_epoch", "tp-live-scale": "learning_rate_scale" };
  const TYPED_MS = 800;
  if (window.trainingProHands) return;
  const given = {};
  const press = (hand, act) => {
    given[hand] = act;
    document.getElementById("tp-hand-" + hand)?.click();
  };
  document.addEventListener("click", (event) => {
    const pressed = event.target.closest?.(".training-pro [data-hand]");
    if (pressed) press(pressed.dataset.hand, pressed.dataset.act);
    const columns = event.target.closest?.(".training-pro [data-columns]");
    if (columns) {
      const roles = [...document.querySelectorAll(".training-pro [data-column]")].map((one) => [one.dataset.column, one.value]);
      press("columns", JSON.stringify({ do: columns.dataset.columns, roles }));
    }
  }, true);
  // What was typed and is not sent yet: an answer under way may fill the field again before it is left.
  const typing = {}, typed = {};
  const send = (name, value) => {
    delete typed[name];
    press("live", JSON.stringify({ [name]: value }));
  };
  const moved = (event, wait_ms) => {
    const name = LIVE[event.target.closest?.(".training-pro .tp-live .tp-field")?.id], field = event.target;
    if (!name) return;
    clearTimeout(typing[name]);
    const written = event.type === "change" && field.type === "number" ? typed[name] ?? field.value : field.value;
    delete typed[name];
    if (written === "" || !Number.isFinite(Number(written))) return;
    const value = Number(written);  // as it was typed: one out of range is refused by the server, not moved to its end
    if (event.type === "input") typed[name] = written;
    typing[name] = setTimeout(() => send(name, value), wait_ms);
  };
  document.addEventListener("change", (event) => moved(event, 0), true);
  document.addEventListener("input", (event) => { if (event.target.type === "number") moved(event, TYPED_MS); }, true);
  window.trainingProHands = { press, typing: () => Object.keys(typed).length > 0, take: (hand) => [given[hand] ?? ""] };
}

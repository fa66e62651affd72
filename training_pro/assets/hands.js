() => {
  // Lets buttons in HTML of ours reach the server: one with data-hand="NAME" and data-act="what to do" presses the hidden
  // button of that name, whose handler is given what to do.
  if (window.trainingProHands) return;
  const given = {};
  const press = (hand, act) => {
    given[hand] = act;
    document.getElementById("tp-hand-" + hand)?.click();
  };
  document.addEventListener("click", (event) => {
    const pressed = event.target.closest?.(".training-pro [data-hand]");
    if (pressed) press(pressed.dataset.hand, pressed.dataset.act);
  }, true);
  window.trainingProHands = { press, take: (hand) => [given[hand] ?? ""] };
}

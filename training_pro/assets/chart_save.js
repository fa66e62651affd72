() => {
  // Saves the live chart: as a picture (drawn again on a canvas, with the page's colours) and as a table of every update, which
  // the server writes: the page has fewer points of a long run.
  const chart = window.trainingProChart;
  if (!chart || window.trainingProChartSave) return;
  const WIDTH = 1600, HEIGHT = 800, EDGE = { left: 90, right: 110, top: 70, bottom: 70 };

  const save = (blob, ending) => {
    const link = document.createElement("a"), name = (window.trainingProPage?.runName?.() || "run").replace(/[^\w.-]+/g, "_");
    link.href = URL.createObjectURL(blob);
    link.download = `${name}_chart.${ending}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const canvas = () => {
    const made = document.createElement("canvas"), slot = chart.slotOf(), { x, left, right } = chart.frame();
    [made.width, made.height] = [WIDTH, HEIGHT];
    const pen = made.getContext("2d"), page = getComputedStyle(slot), wide = WIDTH - EDGE.left - EDGE.right, high = HEIGHT - EDGE.top - EDGE.bottom;
    const colour = (style) => getComputedStyle(slot.querySelector(`path.tp-${style}`) ?? slot).color;
    const words = (what, at, top, side) => { pen.textAlign = side; pen.fillText(what, at, top); };
    pen.fillStyle = page.getPropertyValue("--tp-card") || "#fff";
    pen.fillRect(0, 0, WIDTH, HEIGHT);
    pen.font = "22px system-ui, sans-serif";
    pen.textBaseline = "middle";
    const ink = page.color;
    const across = (part) => EDGE.left + wide * part, down = (part) => EDGE.top + high * (1 - part);
    for (const value of chart.ticks(left)) {
      pen.fillStyle = ink;
      words(chart.tickText(value), EDGE.left - 14, down(chart.share(left, value)), "right");
      pen.globalAlpha = 0.15;
      pen.fillRect(EDGE.left, down(chart.share(left, value)), wide, 1.5);
      pen.globalAlpha = 1;
    }
    for (const value of chart.ticks(x).filter(Number.isInteger)) words(chart.tickText(value), across(chart.share(x, value)), HEIGHT - EDGE.bottom + 26, "center");
    if (right) for (const value of chart.ticks(right)) words(chart.tickText(value), WIDTH - EDGE.right + 14, down(chart.share(right, value)), "left");
    let place = EDGE.left;
    for (const { style, name, d } of chart.lines()) {
      pen.strokeStyle = pen.fillStyle = colour(style);
      pen.fillRect(place, 30, 26, 4);
      pen.fillStyle = ink;
      words(name, place + 34, 32, "left");
      place += 70 + pen.measureText(name).width;
      const drawn = new Path2D();
      drawn.addPath(new Path2D(d), new DOMMatrix([wide / chart.SIDE, 0, 0, high / chart.SIDE, EDGE.left, EDGE.top]));
      pen.save();
      pen.beginPath();
      pen.rect(EDGE.left, EDGE.top, wide, high);
      pen.clip();
      pen.lineWidth = style === "raw" || style === "rate" ? 1.5 : 3;
      pen.stroke(drawn);
      pen.restore();
    }
    const level = chart.share(left, chart.stop());
    if (chart.stop() > 0 && level >= 0 && level <= 1) {
      pen.setLineDash([8, 6]);
      pen.strokeStyle = pen.fillStyle = ink;
      pen.stroke(new Path2D(`M${EDGE.left} ${down(level)}H${WIDTH - EDGE.right}`));
      words(`Stop at ${chart.stop().toFixed(2)}`, WIDTH - EDGE.right - 10, down(level) - 18, "right");
    }
    pen.fillStyle = ink;
    words("update", EDGE.left + wide / 2, HEIGHT - 20, "center");
    return made;
  };

  window.trainingProChartSave = {
    csv: async () => {
      const table = await window.trainingProLive.table();
      if (table) save(new Blob([table], { type: "text/csv" }), "csv");
    },
    png: () => canvas().toBlob((blob) => save(blob, "png"), "image/png"),
  };
}

"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const parts = ["header", "main"].map((name) => document.querySelector(name)), pristine = parts.map((node) => node.cloneNode(true));
  let page = null;

  // Draws a run. `kept` is what was looked at when the page of a run that goes on is drawn anew.
  function start(D, kept) {
  const over = new AbortController(), signal = over.signal;
  const END = Math.max(1, D.run.end);
  const STATES = ["delayed", "waiting", "in flight", "gone"], TONES = ["delayed", "visible", "flight"];
  const OUTCOMES = ["deleted", "dead-lettered", "filtered", "expired", "purged", "waiting", "lost"];

  // --- small things ---------------------------------------------------------------------------------------------

  function el(tag, properties, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(properties || {})) {
      if (name === "class") node.className = value;
      else if (name === "style") for (const [key, item] of Object.entries(value)) node.style.setProperty(key, item);
      else if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else node.setAttribute(name, value);
    }
    node.append(...children.filter((child) => child !== null && child !== undefined).map((child) => (child instanceof Node ? child : String(child))));
    return node;
  }
  const put = (node, ...children) => node.replaceChildren(...children.filter((child) => child !== null && child !== undefined));
  const many = (count, noun) => `${count.toLocaleString("en")} ${count === 1 ? noun : noun.endsWith("ch") ? noun + "es" : noun + "s"}`;

  // the last place in ascending `times` at or before t, -1 when there is none
  function place(times, t) {
    let low = 0, high = times.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (times[middle] <= t) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  function fmt(ms) {
    const sign = ms < 0 ? "-" : "";
    let rest = Math.round(Math.abs(ms));
    if (rest === 0) return "0s";
    let text = "";
    for (const [unit, size] of [["d", 86400000], ["h", 3600000], ["m", 60000]]) {
      if (rest >= size) { text += Math.floor(rest / size) + unit; rest %= size; }
    }
    if (rest >= 1000) text += Math.floor(rest / 1000) + "s";
    return sign + text + (rest % 1000 ? `${rest % 1000}ms` : "");
  }

  function parse(text) {
    const units = { ms: 1, s: 1000, m: 60000, h: 3600000, d: 86400000 };
    const clean = text.trim().replace(/\s+/g, "");
    if (/^\d+(\.\d+)?$/.test(clean)) return parseFloat(clean) * 1000;
    if (!/^(\d+(\.\d+)?(ms|s|m|h|d))+$/.test(clean)) return null;
    let sum = 0;
    for (const [, count, unit] of clean.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)) sum += parseFloat(count) * units[unit];
    return Math.round(sum);
  }

  const clockTime = (t) => new Date(D.run.origin + t).toISOString().replace("T", " ").replace("Z", "");
  // a character that would turn the words after it round is shown as one that cannot be shown
  const upright = (text) => text.replace(/[\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
  const nameOf = (number) => {
    const [id, label, body] = D.messages[number], line = body.slice(0, 400).trim().replace(/\s+/g, " ");
    return upright(label || (line.length > 48 ? line.slice(0, 47) + "…" : line) || id);
  };
  const named = (number) => el("bdi", {}, nameOf(number));

  // --- the data, indexed ----------------------------------------------------------------------------------------

  const batchOf = (row) => ({
    mapping: row[0], number: row[1], poller: row[2], closed: row[3], reason: row[4], size: row[5], messages: row[6],
    received: row[7], throttles: row[8], retry: row[9], throttledFor: row[10], invocation: row[11], givenUp: row[12], givenUpFor: row[13],
  });
  const invocationOf = (row) => ({
    batch: row[0], fn: row[1], request: row[2], start: row[3], environment: row[4], end: row[5], outcome: row[6],
    error: row[7], kept: row[8], rule: row[9], note: row[10],
  });
  const batches = D.batches.map(batchOf);
  const invocations = D.invocations.map(invocationOf);
  const toneOf = (invocation) => {
    if (invocation.outcome === null) return "flight";
    if (invocation.outcome === "success") return invocation.kept.length ? "partial" : "ok";
    return invocation.outcome === "timeout" ? "timeout" : "error";
  };
  const outcomeOf = (invocation) => {
    if (invocation.outcome === null) return "still running";
    if (invocation.outcome === "success" && invocation.kept.length) return `success, ${invocation.kept.length} kept`;
    return invocation.outcome;
  };

  const lanes = []; // { name, kind, bars: [{ a, b, tone, batch, invocation }], starts, reach, throttles, spans }
  const pollerLanes = D.pollers.map((name) => ({ name, kind: "poller", bars: [], throttles: [], spans: [] }));
  const environmentLanes = D.environments.map(([, name]) => ({ name, kind: "environment", bars: [], throttles: [], spans: [] }));
  const batchesOfMessage = new Map();

  batches.forEach((batch, number) => {
    const lane = pollerLanes[batch.poller];
    const invocation = batch.invocation === null ? null : invocations[batch.invocation];
    const first = batch.received ? batch.received.reduce((least, at) => Math.min(least, at), batch.closed) : batch.closed;
    const over = invocation ? invocation.start : batch.givenUp !== null ? batch.givenUp : batch.throttles.length ? END : batch.closed;
    if (first < batch.closed) lane.bars.push({ a: first, b: batch.closed, tone: "gather", batch: number, invocation: null });
    if (over > batch.closed) lane.bars.push({ a: batch.closed, b: over, tone: "throttled", batch: number, invocation: null });
    if (invocation) lane.bars.push({ a: invocation.start, b: invocation.end === null ? END : invocation.end, tone: toneOf(invocation), batch: number, invocation: batch.invocation });
    for (const at of batch.throttles) lane.throttles.push([at, number]);
    for (const message of batch.messages) {
      if (!batchesOfMessage.has(message)) batchesOfMessage.set(message, []);
      batchesOfMessage.get(message).push(number);
    }
  });
  invocations.forEach((invocation, number) => {
    environmentLanes[invocation.environment].bars.push({
      a: invocation.start, b: invocation.end === null ? END : invocation.end, tone: toneOf(invocation), batch: invocation.batch, invocation: number,
    });
  });
  for (const [lane, ready, init, ended, reason, error] of D.spans) environmentLanes[lane].spans.push({ ready, init, ended, reason, error });
  const natural = (a, b) => a.name.localeCompare(b.name, "en", { numeric: true });
  pollerLanes.sort(natural);
  environmentLanes.sort(natural);
  lanes.push(...environmentLanes, ...pollerLanes);
  for (const lane of lanes) {
    lane.bars.sort((one, other) => one.a - other.a || one.b - other.b);
    lane.throttles.sort((one, other) => one[0] - other[0]);
    lane.starts = lane.bars.map((bar) => bar.a);
    lane.tries = lane.throttles.map((item) => item[0]);
    let reach = -1;
    lane.reach = lane.bars.map((bar) => (reach = Math.max(reach, bar.b))); // the latest end so far: where to start drawing
  }

  const concurrency = {}; // function -> { times, values }
  const throttlesOf = {}; // function or mapping -> times
  {
    const changes = {};
    for (const invocation of invocations) {
      const list = (changes[invocation.fn] = changes[invocation.fn] || []);
      list.push([invocation.start, 1]);
      if (invocation.end !== null) list.push([invocation.end, -1]);
    }
    for (const [fn, list] of Object.entries(changes)) {
      list.sort((one, other) => one[0] - other[0]);
      const times = [], values = [];
      let now = 0;
      for (const [t, change] of list) {
        now += change;
        if (times[times.length - 1] === t) values[values.length - 1] = now;
        else { times.push(t); values.push(now); }
      }
      concurrency[fn] = { times, values };
    }
    for (const batch of batches) {
      const list = (throttlesOf[batch.mapping] = throttlesOf[batch.mapping] || []);
      for (const at of batch.throttles) list.push(at);
    }
    for (const list of Object.values(throttlesOf)) list.sort((one, other) => one - other);
  }

  const moments = (() => {
    const all = new Set([0, END]);
    for (const columns of Object.values(D.levels.queues)) for (const t of columns[0]) all.add(t);
    for (const columns of Object.values(D.levels.pollers)) for (const t of columns[0]) all.add(t);
    for (const batch of batches) { all.add(batch.closed); for (const at of batch.throttles) all.add(at); if (batch.givenUp !== null) all.add(batch.givenUp); }
    for (const invocation of invocations) { all.add(invocation.start); if (invocation.end !== null) all.add(invocation.end); }
    for (const [t] of D.marks) all.add(t);
    return [...all].sort((one, other) => one - other);
  })();

  // --- what is looked at ----------------------------------------------------------------------------------------

  const look = { from: 0, to: END, cursor: 0, message: null, invocation: null, batch: null };
  let colors = {}, inks = {};
  const css = getComputedStyle(document.documentElement);
  function readColors() {
    for (const name of ["paper", "card", "ink", "soft", "line", "line-strong", "accent", "accent-soft", "ok", "partial", "error", "timeout", "throttle", "cold", "delayed", "flight", "gather", "visible", "alive"]) {
      colors[name] = css.getPropertyValue("--" + name).trim();
    }
    colors.throttled = colors.throttle + "66";
    inks = {};
    colors.gone = "transparent";
  }

  // black or white, whichever can be read better on a bar
  function inkOn(tone) {
    if (!inks[tone]) {
      const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colors[tone].slice(at, at + 2), 16) / 255).map((part) => (part <= 0.04 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
      inks[tone] = 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.19 ? "#0b1017" : "#fff";
    }
    return inks[tone];
  }

  function canvas(node, width, height) {
    const ratio = window.devicePixelRatio || 1;
    const wide = Math.max(1, Math.round(width * ratio)), high = Math.max(1, Math.round(height * ratio));
    if (node.width !== wide) node.width = wide;
    if (node.height !== high) node.height = high;
    const context = node.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = "11px system-ui, sans-serif";
    return context;
  }

  let LEFT = 148, WIDTH = 100;
  function measure() {
    LEFT = parseFloat(css.getPropertyValue("--label")) || 148;
    WIDTH = Math.max(40, $("plots").clientWidth - LEFT);
  }
  const X = (t) => ((t - look.from) / (look.to - look.from)) * WIDTH;
  const T = (x) => look.from + (x / WIDTH) * (look.to - look.from);
  const clamp = (value, least, most) => Math.max(least, Math.min(most, value));

  function ticks() {
    const span = look.to - look.from, wanted = Math.max(2, WIDTH / 95);
    const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5, 36e5, 72e5, 108e5, 216e5, 432e5, 864e5, 1728e5, 6048e5];
    const step = steps.find((size) => span / size <= wanted) || 6048e5 * 4;
    const found = [];
    for (let t = Math.ceil(look.from / step) * step; t <= look.to; t += step) found.push(t);
    return found;
  }

  // --- drawing --------------------------------------------------------------------------------------------------

  function grid(context, height, at) {
    context.strokeStyle = colors.line;
    context.lineWidth = 1;
    context.beginPath();
    for (const t of at) { const x = Math.round(X(t)) + 0.5; context.moveTo(x, 0); context.lineTo(x, height); }
    context.stroke();
  }

  function drawAxis(at) {
    const context = canvas($("axis"), WIDTH, 22);
    context.fillStyle = colors.soft;
    context.textBaseline = "middle";
    for (const t of at) {
      const text = t === 0 ? "0" : fmt(t), wide = context.measureText(text).width;
      context.fillText(text, clamp(X(t) - wide / 2, 0, WIDTH - wide), 10);
    }
    context.fillStyle = colors.accent;
    for (const [t] of D.marks) { const x = X(t); if (x >= 0 && x <= WIDTH) context.fillRect(x - 1, 18, 2, 4); }
  }

  // one level a pixel: its least and most there, so that nothing narrow is missed and a wide run costs no more than W
  function drawSteps(context, times, value, height, most, tone, fill) {
    if (!times.length) return;
    const Y = (v) => height - 1.5 - (v / most) * (height - 5);
    const perPixel = (look.to - look.from) / WIDTH;
    let i = place(times, look.from);
    context.beginPath();
    let begun = false, lastX = 0, firstX = 0;
    const point = (x, y) => { if (begun) context.lineTo(x, y); else { context.moveTo(x, y); begun = true; firstX = x; } lastX = x; };
    for (let pixel = 0; pixel <= WIDTH; pixel++) {
      const start = look.from + pixel * perPixel, stop = Math.min(start + perPixel, END + 1);
      if (start > END) break;
      if (i < 0) {
        if (times[0] >= stop) continue;
        i = 0;
        point(pixel, Y(0));
      }
      const open = Math.max(start, times[i]);
      let low = value(i, open), high = low;
      while (i + 1 < times.length && times[i + 1] < stop) {
        high = Math.max(high, value(i, times[i + 1]));
        i++;
        const next = value(i, times[i]);
        low = Math.min(low, next);
        high = Math.max(high, next);
      }
      const close = value(i, Math.min(stop, END));
      if (high > low) { point(pixel, Y(high)); point(pixel, Y(low)); }
      point(pixel, Y(close));
    }
    context.strokeStyle = colors[tone];
    context.lineWidth = 1.4;
    context.lineJoin = "round";
    context.stroke();
    if (fill && begun) {
      context.lineTo(lastX, height - 1.5);
      context.lineTo(firstX, height - 1.5);
      context.closePath();
      context.globalAlpha = 0.22;
      context.fillStyle = colors[tone];
      context.fill();
      context.globalAlpha = 1;
    }
  }

  const top = (values) => values.reduce((most, value) => Math.max(most, value), 0);
  const charts = []; // { title, node, label, lines: [{ times, value, tone, fill }], most, say(t) }

  function chart(title, what, lines, most, say, unit, dots) {
    const value = el("span"), node = el("canvas", { role: "img", "aria-label": `${title}, ${what} over time, at most ${unit(most)}` });
    const row = el("div", { class: "chart" }, el("div", { class: "label", title: `${title}: ${what}` }, el("b", {}, title), value), node);
    $("charts").append(row);
    charts.push({ node, value, lines, most: Math.max(most, 1e-9), say, unit, dots });
  }

  function buildCharts() {
    const plain = (number) => number.toLocaleString("en");
    const level = (id, t) => queueAt(id, t);
    for (const [id, [times, visible, flight, delayed, oldest]] of Object.entries(D.levels.queues)) {
      const lines = [
        { times, value: (i) => visible[i], tone: "visible", fill: true },
        { times, value: (i) => flight[i], tone: "flight" },
      ];
      if (top(delayed)) lines.push({ times, value: (i) => delayed[i], tone: "delayed" });
      chart(id, "messages", lines, Math.max(top(visible), top(flight), top(delayed)), (t) => { const now = level(id, t); return `${plain(now.visible)} visible\n${plain(now.flight)} in flight${now.delayed ? ` · ${plain(now.delayed)} delayed` : ""}`; }, plain);
      let most = 0;
      oldest.forEach((from, i) => { if (from >= 0) most = Math.max(most, (i + 1 < times.length ? times[i + 1] : END) - from); });
      chart(id, "age of the oldest message", [{ times, value: (i, t) => (oldest[i] < 0 ? 0 : t - oldest[i]), tone: "partial", fill: true }], most, (t) => { const { age } = level(id, t); return age === null ? "empty" : `oldest ${fmt(age)}`; }, fmt);
    }
    for (const [fn, { times, values }] of Object.entries(concurrency)) {
      chart(fn, "concurrency", [{ times, value: (i) => values[i], tone: "ok", fill: true }], top(values), (t) => `${plain(valueAt(times, values, t))} at once`, plain);
    }
    for (const [mapping, [times, counts]] of Object.entries(D.levels.pollers)) {
      chart(mapping, "pollers", [{ times, value: (i) => counts[i], tone: "accent", fill: true }], top(counts), (t) => many(valueAt(times, counts, t), "poller"), plain, throttlesOf[mapping]);
    }
  }

  function drawCharts(at) {
    for (const { node, lines, most, unit, dots } of charts) {
      const context = canvas(node, WIDTH, 44);
      grid(context, 44, at);
      for (const line of lines) drawSteps(context, line.times, line.value, 44, most, line.tone, line.fill);
      if (dots) {
        context.fillStyle = colors.throttle;
        let last = -9;
        for (let i = Math.max(0, place(dots, look.from)); i < dots.length && dots[i] <= look.to; i++) {
          const x = Math.round(X(dots[i]));
          if (x > last) { context.fillRect(x - 0.5, 39, 1.5, 5); last = x; }
        }
      }
      context.fillStyle = colors.soft;
      context.textBaseline = "top";
      context.strokeStyle = colors.card;
      context.lineWidth = 3;
      context.strokeText(unit(most < 1e-6 ? 0 : most), 4, 2);
      context.fillText(unit(most < 1e-6 ? 0 : most), 4, 2);
    }
  }

  let laneHeight = 18;
  function laneSizes() {
    laneHeight = lanes.length > 300 ? 8 : lanes.length > 60 ? 13 : 18;
    $("lanes-space").style.height = `${lanes.length * laneHeight + 4}px`;
    $("lanes").hidden = lanes.length === 0;
    sayLanes();
  }

  function sayLanes() {
    const box = $("lanes"), more = box.scrollHeight > box.clientHeight + 1 ? "; scroll for the rest" : "";
    $("lanes-said").textContent = lanes.length ? `■ ${many(environmentLanes.length, "execution environment")}, □ ${many(pollerLanes.length, "poller")} that held a message${more}.` : "";
  }

  // scroll to the first lane that shows one of these bars, unless one can be seen
  function revealLane(wanted) {
    const box = $("lanes"), found = lanes.flatMap((lane, number) => (lane.bars.some(wanted) ? [number * laneHeight] : []));
    if (found.length && !found.some((y) => y >= box.scrollTop && y + laneHeight <= box.scrollTop + box.clientHeight)) box.scrollTop = found[0] - box.clientHeight / 3;
  }

  function lit(bar) {
    if (look.message !== null) return bar.batch !== null && batchesOfMessage.get(look.message)?.includes(bar.batch);
    return true;
  }

  function drawLanes(at) {
    const box = $("lanes"), height = Math.min(box.clientHeight || 380, lanes.length * laneHeight + 4), node = $("lanes-canvas");
    node.style.width = "100%";
    node.style.height = `${height}px`;
    const wide = box.clientWidth, context = canvas(node, wide, height), offset = box.scrollTop;
    const first = Math.floor(offset / laneHeight), last = Math.min(lanes.length - 1, Math.floor((offset + height) / laneHeight));
    context.save();
    context.beginPath();
    context.rect(LEFT, 0, WIDTH, height);
    context.clip();
    context.translate(LEFT, 0);
    grid(context, height, at);
    for (let number = first; number <= last; number++) drawLane(context, lanes[number], number * laneHeight - offset);
    context.restore();
    context.textBaseline = "middle";
    for (let number = first; number <= last; number++) {
      if (laneHeight < 11 && number % 2) continue;
      const lane = lanes[number], y = number * laneHeight - offset + laneHeight / 2;
      context.fillStyle = lane.kind === "poller" ? colors.soft : colors.ink;
      context.font = laneHeight < 11 ? "9px system-ui, sans-serif" : "11px system-ui, sans-serif";
      context.fillText(clip(context, lane.name, LEFT - 24), 12, y);
      if (lane.kind === "poller") { context.strokeStyle = colors.soft; context.strokeRect(2.5, y - 2.5, 5, 5); }
      else { context.fillRect(2, y - 3, 6, 6); }
    }
    const border = environmentLanes.length * laneHeight - offset;
    if (border > 0 && border < height) { context.fillStyle = colors["line-strong"]; context.fillRect(0, Math.round(border), wide, 1); }
  }

  function clip(context, text, width) {
    if (context.measureText(text).width <= width) return text;
    let keep = text.length;
    while (keep > 1 && context.measureText("…" + text.slice(-keep)).width > width) keep--;
    return "…" + text.slice(-keep);
  }

  function drawLane(context, lane, y) {
    const pad = laneHeight > 11 ? 2 : 1, high = laneHeight - pad * 2;
    for (const span of lane.spans) {
      const a = X(span.ready - span.init), ready = X(span.ready), b = X(span.ended === null ? END : span.ended);
      if (b < 0 || a > WIDTH) continue;
      context.fillStyle = colors.alive;
      context.fillRect(ready, y + pad, Math.max(1, b - ready), high);
      context.fillStyle = span.error ? colors.error : colors.cold;
      context.fillRect(a, y + pad + high / 2 - 2, Math.max(2, ready - a), 4);
    }
    let i = Math.max(0, place(lane.reach, look.from));
    let drawnTo = -1, drawnTone = "";
    for (; i < lane.bars.length && lane.starts[i] <= look.to; i++) {
      const bar = lane.bars[i];
      if (bar.b < look.from) continue;
      const shown = lit(bar), a = Math.max(-2, X(bar.a)), b = Math.min(WIDTH + 2, X(bar.b)), wide = Math.max(1.5, b - a - (b - a > 4 ? 0.75 : 0));
      const bad = bar.tone === "error" || bar.tone === "timeout";
      if (b <= drawnTo && (bar.tone === drawnTone || (!bad && shown))) continue; // within a pixel of one like it
      context.globalAlpha = shown ? 1 : 0.2;
      context.fillStyle = colors[bar.tone];
      const thin = bar.tone === "throttled" || bar.tone === "gather";
      const inset = thin ? high * 0.28 : 0;
      context.fillRect(a, y + pad + inset, wide, high - inset * 2);
      if (bad && high > 8) { context.fillStyle = colors.card; context.globalAlpha *= 0.55; context.fillRect(a, y + pad + 2, wide, 1.5); }
      if (b - a < 1.5) { drawnTo = Math.ceil(a) + 1; drawnTone = bar.tone; }
      if (bar.invocation !== null && bar.invocation === look.invocation) {
        context.globalAlpha = 1;
        context.strokeStyle = colors.ink;
        context.lineWidth = 2;
        context.strokeRect(a, y + pad, Math.max(3, wide), high);
      }
      if (shown && high > 11 && wide > 46 && !thin) {
        context.globalAlpha = 1;
        context.fillStyle = inkOn(bar.tone);
        context.textBaseline = "middle";
        context.font = "10px system-ui, sans-serif";
        const text = lane.kind === "poller" ? `${batches[bar.batch].messages.length} × ${invocations[bar.invocation].outcome || "…"}` : `${invocations[bar.invocation].outcome || "…"}${bar.batch === null ? "" : ` #${batches[bar.batch].number}`}`;
        if (context.measureText(text).width < wide - 8) context.fillText(text, a + 5, y + laneHeight / 2 + 0.5);
      }
    }
    context.fillStyle = colors.throttle;
    let last = -9;
    for (let j = Math.max(0, place(lane.tries, look.from)); j < lane.tries.length && lane.tries[j] <= look.to; j++) {
      const x = Math.round(X(lane.tries[j])), shown = lit({ batch: lane.throttles[j][1] });
      if (x <= last && !shown) continue;
      context.globalAlpha = shown ? 1 : 0.15;
      context.fillRect(x - 1, y + pad, 2, high);
      last = x + 1;
    }
    context.globalAlpha = 1;
  }

  function drawLife(at) {
    const box = $("life");
    box.hidden = look.message === null;
    if (look.message === null) return;
    const context = canvas($("life-line"), WIDTH, 30);
    grid(context, 30, at);
    segments(look.message, (a, b, state) => {
      context.fillStyle = colors[TONES[state]];
      if (b >= look.from && a <= look.to) context.fillRect(Math.max(-2, X(a)), 4, Math.max(1.5, Math.min(X(b), WIDTH + 2) - Math.max(-2, X(a))), 11);
    });
    for (const number of batchesOfMessage.get(look.message) || []) {
      const batch = batches[number];
      context.fillStyle = colors.throttle;
      for (const t of batch.throttles) context.fillRect(X(t) - 0.75, 17, 1.5, 9);
      if (batch.invocation === null) continue;
      const invocation = invocations[batch.invocation], b = invocation.end === null ? END : invocation.end;
      context.fillStyle = colors[invocation.outcome === "success" && invocation.kept.includes(look.message) ? "partial" : invocation.outcome === "success" ? "ok" : toneOf(invocation)];
      context.fillRect(X(invocation.start), 17, Math.max(2, X(b) - X(invocation.start)), 9);
    }
    const line = D.messages[look.message][7], last = line.length - 3;
    if (last >= 0 && line[last + 1] === 3) { context.fillStyle = colors.ink; const x = X(line[last]); context.fillRect(x - 1, 2, 2, 15); }
  }

  function segments(message, each) {
    const line = D.messages[message][7];
    for (let i = 0; i < line.length; i += 3) {
      if (line[i + 1] !== 3) each(line[i], i + 3 < line.length ? line[i + 3] : END, line[i + 1], line[i + 2]);
    }
  }

  function drawOverview() {
    const node = $("overview"), wide = node.clientWidth, context = canvas(node, wide, 30);
    context.fillStyle = colors.alive;
    context.fillRect(LEFT, 0, WIDTH, 30);
    const bins = new Float64Array(Math.ceil(WIDTH) + 1), bad = new Float64Array(bins.length);
    for (const invocation of invocations) {
      const x = Math.floor((invocation.start / END) * (bins.length - 1));
      bins[x]++;
      if (invocation.outcome !== "success") bad[x]++;
    }
    const most = Math.sqrt(top(bins)) || 1;
    for (let x = 0; x < bins.length; x++) {
      if (!bins[x]) continue;
      const high = (Math.sqrt(bins[x]) / most) * 26;
      context.fillStyle = colors.ok;
      context.fillRect(LEFT + x, 29 - high, 1.5, high);
      if (bad[x]) { const part = (bad[x] / bins[x]) * high; context.fillStyle = colors.error; context.fillRect(LEFT + x, 29 - part, 1.5, part); }
    }
    const a = LEFT + (look.from / END) * WIDTH, b = LEFT + (look.to / END) * WIDTH;
    context.fillStyle = colors.card;
    context.globalAlpha = 0.65;
    context.fillRect(LEFT, 0, a - LEFT, 30);
    context.fillRect(b, 0, LEFT + WIDTH - b, 30);
    context.globalAlpha = 1;
    context.strokeStyle = colors["line-strong"];
    context.strokeRect(a + 0.5, 0.5, Math.max(3, b - a - 1), 29);
    context.fillStyle = colors.accent;
    context.fillRect(LEFT + (look.cursor / END) * WIDTH - 0.5, 0, 1.5, 30);
    context.fillStyle = colors.soft;
    context.textBaseline = "middle";
    context.fillText("whole run", 0, 15);
  }

  let asked = false;
  function draw() {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      if (signal.aborted) return;
      measure();
      const at = ticks();
      drawOverview();
      drawAxis(at);
      drawCharts(at);
      drawLife(at);
      drawLanes(at);
      moveCursor();
    });
  }

  function moveCursor() {
    const x = X(look.cursor), node = $("cursor");
    node.style.left = `${LEFT + clamp(x, 0, WIDTH)}px`;
    node.style.visibility = x < -1 || x > WIDTH + 1 ? "hidden" : "visible";
    for (const { value, say } of charts) value.textContent = say(look.cursor);
  }

  // --- the state at the cursor ----------------------------------------------------------------------------------

  function valueAt(times, values, t) {
    const i = place(times, t);
    return i < 0 ? 0 : values[i];
  }

  function queueAt(id, t) {
    const columns = D.levels.queues[id], i = columns ? place(columns[0], t) : -1;
    if (i < 0) return { visible: 0, flight: 0, delayed: 0, age: null };
    return { visible: columns[1][i], flight: columns[2][i], delayed: columns[3][i], age: columns[4][i] < 0 ? null : t - columns[4][i] };
  }

  // what the poller of a lane does at t; null: it holds no batch
  function pollerAt(lane, t) {
    for (let i = place(lane.starts, t); i >= 0; i--) {
      if (lane.reach[i] < t) return null;
      const bar = lane.bars[i];
      if (bar.a <= t && t < bar.b) return bar;
    }
    return null;
  }

  function sayPoller(bar, t) {
    const batch = batches[bar.batch], name = `batch ${batch.number}`;
    if (bar.tone === "gather") {
      const here = batch.received.filter((at) => at <= t).length;
      return `gathers ${name}: ${many(here, "message")} so far`;
    }
    if (bar.tone === "throttled") {
      const tries = place(batch.throttles, t) + 1, next = batch.throttles[tries];
      const holds = `holds ${name} (${many(batch.messages.length, "message")}), throttled ${tries} ×, `;
      if (next === undefined && batch.givenUp !== null) return `${holds}given up at ${fmt(batch.givenUp)}`;
      const until = next !== undefined ? next : batch.invocation !== null ? bar.b : batch.retry;
      return holds + (until === null ? "not tried again" : `next try at ${fmt(until)}`);
    }
    if (invocations[bar.invocation].end === null) return `runs ${name} (${many(batch.messages.length, "message")}) for ${fmt(t - bar.a)}, not ended when the run did`;
    return `runs ${name} (${many(batch.messages.length, "message")}) for ${fmt(t - bar.a)} → ${outcomeOf(invocations[bar.invocation])} at ${fmt(bar.b)}`;
  }

  // Hundreds of pollers take longer to show than a frame lasts: while the cursor moves there are the first, then all.
  const FIRST = 40;
  let others = null;
  function showState(moving) {
    const t = look.cursor;
    clearTimeout(others);
    others = null;
    $("state-time").textContent = `${fmt(t)} (${clockTime(t)} UTC)`;
    const rows = Object.keys(D.levels.queues).concat(queuesWithout()).map((id) => {
      const now = queueAt(id, t);
      return el("tr", { "data-queue": id }, el("td", {}, id), ...[now.visible, now.flight, now.delayed].map((count) => el("td", { class: "n" }, count.toLocaleString("en"))), el("td", { class: "n" }, now.age === null ? "–" : fmt(now.age)));
    });
    const head = el("tr", {}, el("th", { scope: "col" }, "Queue"), ...["Visible", "In flight", "Delayed", "Age of oldest"].map((name) => el("th", { class: "n", scope: "col" }, name)));
    const parts = [el("div", { class: "scroll" }, el("table", { "aria-labelledby": "state-title" }, el("thead", {}, head), el("tbody", {}, ...rows)))];
    const mappings = new Set([...Object.keys(D.levels.pollers), ...Object.keys(D.levels.states), ...batches.map((batch) => batch.mapping)]);
    for (const mapping of mappings) {
      const counts = D.levels.pollers[mapping], count = counts ? valueAt(counts[0], counts[1], t) : 0;
      const steps = D.levels.states[mapping] || [], step = steps[place(steps.map((item) => item[0]), t)];
      const busy = pollerLanes.filter((lane) => lane.name.startsWith(mapping + "/")).map((lane) => [lane, pollerAt(lane, t)]).filter(([, bar]) => bar);
      const idle = Math.max(0, count - busy.length);
      const title = el("h3", { "data-mapping": mapping }, `${mapping} `, el("small", {}, `${step ? step[1] + ", " : ""}${many(count, "poller")}: ${[`${busy.length} with a batch`, idle && step && step[1] === "Enabled" ? `${idle} polling` : "", busy.length > count ? `${busy.length - count} of them finishing what they hold` : ""].filter(Boolean).join(", ")}`));
      const first = moving ? FIRST : busy.length;
      if (busy.length > first && others === null) others = setTimeout(() => { if (!signal.aborted) showState(); }, 150);
      const cards = busy.slice(0, first).map(([lane, bar]) => el("div", { class: "poller", "data-poller": lane.name, style: { "border-left-color": `var(--${bar.tone === "throttled" ? "throttle" : bar.tone})` } }, el("b", {}, lane.name), el("span", {}, sayPoller(bar, t))));
      parts.push(title);
      if (cards.length) parts.push(el("div", { class: "pollers" }, ...cards));
    }
    const lines = Object.entries(concurrency).map(([fn, { times, values }]) => `${fn} runs ${many(valueAt(times, values, t), "invocation")}`);
    if (lines.length) parts.push(el("h3", {}, "Functions ", el("small", { id: "state-functions" }, lines.join(" · "))));
    if (look.message !== null) parts.push(el("h3", {}, named(look.message), " ", el("small", { id: "state-message" }, messageAt(look.message, t))));
    const marks = D.marks.filter(([at]) => at <= t).slice(-3).reverse();
    if (marks.length) parts.push(el("h3", {}, "Changes ", el("small", { id: "state-changes" }, marks.map(([at, text]) => `${fmt(at)} ${text}`).join(" · "))));
    put($("state"), ...parts);
  }

  function queuesWithout() {
    return Object.entries(D.resources).filter(([id, resource]) => resource.type === "AWS::SQS::Queue" && !D.levels.queues[id]).map(([id]) => id);
  }

  function messageAt(message, t) {
    const line = D.messages[message][7];
    let found = null;
    for (let i = 0; i < line.length && line[i] <= t; i += 3) found = i;
    if (found === null) return "not yet sent";
    return line[found + 1] === 3 ? `gone: ${D.messages[message][4]}` : `${STATES[line[found + 1]]} in ${line[found + 2]}`;
  }

  let shown = null;
  function setCursor(t, reveal) {
    look.cursor = Math.round(clamp(t, 0, END));
    const node = $("cursor");
    node.setAttribute("aria-valuemin", "0");
    node.setAttribute("aria-valuemax", String(END));
    node.setAttribute("aria-valuenow", String(look.cursor));
    node.setAttribute("aria-valuetext", `${fmt(look.cursor)} of ${fmt(END)}`);
    if (document.activeElement !== $("now")) $("now").value = fmt(look.cursor);
    if (reveal && (look.cursor < look.from || look.cursor > look.to)) {
      const span = look.to - look.from;
      view(look.cursor - span / 2, look.cursor + span / 2);
    }
    moveCursor();
    if (shown === null) {
      shown = requestAnimationFrame(() => { shown = null; if (signal.aborted) return; showState(true); markStory(); drawOverview(); });
    }
  }

  function view(from, to) {
    const span = clamp(to - from, Math.min(20, END), END);
    const start = clamp((from + to) / 2 - span / 2, 0, END - span);
    look.from = start;
    look.to = start + span;
    draw();
  }
  function zoom(factor, around) {
    const t = around === undefined ? clamp(look.cursor, look.from, look.to) : around;
    view(t - (t - look.from) * factor, t + (look.to - t) * factor);
  }
  function jump(direction) {
    const i = place(moments, look.cursor);
    const next = direction > 0 ? moments[i + 1] : moments[i] < look.cursor ? moments[i] : moments[i - 1];
    if (next !== undefined) setCursor(next, true);
  }

  // --- pointing ---------------------------------------------------------------------------------------------------

  function plotX(event) { return event.clientX - $("plots").getBoundingClientRect().left - LEFT; }

  function dragging(node, move, start) {
    node.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || (start && start(event) === false)) return;
      node.setPointerCapture(event.pointerId);
      move(event);
      const stop = () => { node.removeEventListener("pointermove", move); node.removeEventListener("pointerup", stop); node.removeEventListener("pointercancel", stop); };
      node.addEventListener("pointermove", move);
      node.addEventListener("pointerup", stop);
      node.addEventListener("pointercancel", stop);
    });
  }

  function barAt(event) {
    const box = $("lanes"), y = event.clientY - box.getBoundingClientRect().top + box.scrollTop;
    const lane = lanes[Math.floor(y / laneHeight)], x = plotX(event);
    if (!lane || x < 0) return null;
    const t = T(x), slack = (2.5 * (look.to - look.from)) / WIDTH;
    let best = null;
    for (let i = place(lane.starts, t + slack); i >= 0; i--) {
      if (lane.reach[i] < t - slack) break;
      const bar = lane.bars[i];
      if (bar.b >= t - slack) { best = bar; if (bar.a <= t && t <= bar.b) break; }
    }
    return { lane, bar: best, t };
  }

  function tip(event, text) {
    const node = $("tip");
    node.hidden = !text;
    if (!text) return;
    node.textContent = text;
    const box = $("plots").getBoundingClientRect();
    node.style.left = `${clamp(event.clientX - box.left + 12, 0, Math.max(0, box.width - node.offsetWidth))}px`;
    node.style.top = `${event.clientY - box.top + 16 + node.offsetHeight > box.height ? event.clientY - box.top - node.offsetHeight - 10 : event.clientY - box.top + 16}px`;
  }

  function sayBar({ lane, bar, t }) {
    if (!bar) {
      const span = lane.spans.find((item) => item.ready - item.init <= t && t <= (item.ended === null ? END : item.ended));
      if (!span) return lane.name;
      return t < span.ready ? `${lane.name}: cold start, ${fmt(span.init)}${span.error ? "\n" + span.error : ""}` : `${lane.name}: idle`;
    }
    const batch = bar.batch === null ? null : batches[bar.batch], lines = [];
    lines.push(batch ? `${lane.name} · batch ${batch.number}, ${many(batch.messages.length, "message")}` : lane.name);
    if (bar.tone === "gather") lines.push(`gathering for ${fmt(bar.b - bar.a)}, closed by ${batch.reason}`);
    else if (bar.tone === "throttled") lines.push(`throttled ${batch.throttles.length} × over ${fmt(bar.b - bar.a)}: ${batch.throttledFor}`, batch.givenUp !== null ? `given up: ${batch.givenUpFor}` : null);
    else {
      const invocation = invocations[bar.invocation];
      lines.push(`${outcomeOf(invocation)} after ${fmt(bar.b - bar.a)}`, invocation.error);
    }
    lines.push(`${fmt(bar.a)} – ${fmt(bar.b)}`);
    return lines.filter(Boolean).join("\n");
  }

  function wirePlots() {
    const toCursor = (event) => setCursor(T(plotX(event)));
    dragging($("axis"), toCursor);
    dragging($("cursor"), toCursor, () => $("cursor").focus());
    dragging($("life-line"), toCursor);
    for (const { node } of charts) dragging(node, toCursor);
    dragging($("overview"), (event) => {
      const t = (plotX(event) / WIDTH) * END, span = look.to - look.from;
      if (span >= END * 0.999) setCursor(t);
      else view(t - span / 2, t + span / 2);
    });
    const box = $("lanes-canvas");
    box.addEventListener("click", (event) => {
      const hit = barAt(event);
      if (!hit) return;
      setCursor(T(plotX(event)));
      if (hit.bar) pickBatch(hit.bar.batch, hit.bar.invocation);
    });
    box.addEventListener("pointermove", (event) => { const hit = barAt(event); tip(event, hit ? sayBar(hit) : ""); });
    box.addEventListener("pointerleave", (event) => tip(event, ""));
    $("lanes").addEventListener("scroll", draw);
    $("plots").addEventListener("wheel", (event) => {
      if (event.ctrlKey || event.metaKey) { event.preventDefault(); zoom(Math.exp(event.deltaY * 0.002), T(clamp(plotX(event), 0, WIDTH))); }
      else if (Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey) {
        event.preventDefault();
        const by = ((event.deltaX || event.deltaY) / WIDTH) * (look.to - look.from);
        view(look.from + by, look.to + by);
      }
    }, { passive: false });
    $("back").onclick = () => jump(-1);
    $("forth").onclick = () => jump(1);
    $("in").onclick = () => zoom(0.5);
    $("out").onclick = () => zoom(2);
    $("fit").onclick = () => view(0, END);
    $("now").addEventListener("change", () => {
      const t = parse($("now").value);
      if (t !== null) setCursor(t, true);
      $("now").value = fmt(look.cursor);
    });
    $("cursor").addEventListener("keydown", (event) => {
      const pixel = Math.max(1, (look.to - look.from) / WIDTH);
      const moves = { ArrowLeft: -pixel, ArrowRight: pixel, ArrowDown: -pixel, ArrowUp: pixel, PageDown: -pixel * WIDTH / 10, PageUp: pixel * WIDTH / 10 };
      if (event.key === "Home") setCursor(0, true);
      else if (event.key === "End") setCursor(END, true);
      else if (event.key in moves) { if (event.shiftKey) jump(Math.sign(moves[event.key])); else setCursor(look.cursor + moves[event.key], true); }
      else return;
      event.preventDefault();
    });
    document.addEventListener("keydown", (event) => {
      if (!event.target.closest || event.target.closest("input, select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
      const keys = { "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), 0: () => view(0, END), ",": () => stepInvocation(-1), ".": () => stepInvocation(1), "/": () => $("search").focus(), Escape: letGo };
      if (!keys[event.key]) return;
      keys[event.key]();
      event.preventDefault();
    }, { signal });
    const sizes = new ResizeObserver(draw);
    sizes.observe($("plots"));
    signal.addEventListener("abort", () => sizes.disconnect());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColors(); draw(); drawRows(); }, { signal });
  }

  // --- an invocation or a batch -----------------------------------------------------------------------------------

  const byStart = invocations.map((_, number) => number).sort((one, other) => invocations[one].start - invocations[other].start);
  function stepInvocation(direction) {
    if (!byStart.length) return;
    const here = look.invocation === null ? (direction > 0 ? place(byStart.map((n) => invocations[n].start), look.cursor - 1) : byStart.length) : byStart.indexOf(look.invocation);
    const next = byStart[clamp(here + direction, 0, byStart.length - 1)];
    setCursor(invocations[next].start, true);
    pickBatch(invocations[next].batch, next);
    revealLane((bar) => bar.invocation === next);
  }

  function pickBatch(batchNumber, invocationNumber) {
    look.batch = batchNumber;
    look.invocation = invocationNumber;
    const batch = batchNumber === null ? null : batches[batchNumber], invocation = invocationNumber === null ? null : invocations[invocationNumber];
    const facts = [];
    const add = (name, value) => { if (value !== null && value !== undefined && value !== "") facts.push(el("dt", {}, name), el("dd", {}, value)); };
    $("detail-title").textContent = invocation ? `Invocation of ${invocation.fn}` : `Batch ${batch.number} of ${batch.mapping}`;
    if (invocation) {
      add("Outcome", el("span", { class: "chip", style: { "--tone": `var(--${toneOf(invocation)})` } }, outcomeOf(invocation)));
      add("Error", invocation.error);
      add("Ran", `${fmt(invocation.start)} – ${invocation.end === null ? "…" : fmt(invocation.end)}${invocation.end === null ? "" : ` (${fmt(invocation.end - invocation.start)})`}`);
      add("Environment", D.environments[invocation.environment][1]);
      add("Verdict", invocation.rule && [invocation.rule, invocation.note].filter(Boolean).join(": "));
      add("Request id", invocation.request);
    }
    if (batch) {
      add("Batch", `${batch.number} by ${D.pollers[batch.poller]}, closed by ${batch.reason} at ${fmt(batch.closed)}`);
      if (batch.throttles.length) add("Throttled", `${batch.throttles.length} × from ${fmt(batch.throttles[0])}: ${batch.throttledFor}`);
      if (batch.givenUp !== null) add("Given up", `${fmt(batch.givenUp)}: ${batch.givenUpFor}`);
    }
    const list = batch ? batch.messages.slice(0, 100).map((number) => el("button", { type: "button", onclick: () => pickMessage(number, true) }, nameOf(number))) : [];
    const rest = batch && batch.messages.length > 100 ? el("span", { class: "none" }, `and ${batch.messages.length - 100} more`) : null;
    put($("detail-body"), el("dl", {}, ...facts), el("div", { class: "links" }, ...list, rest));
    $("detail").hidden = false;
    draw();
  }

  function closeDetail() {
    look.invocation = look.batch = null;
    $("detail").hidden = true;
    draw();
  }

  function letGo() {
    closeDetail();
    pickMessage(null);
  }

  // --- messages -------------------------------------------------------------------------------------------------

  const ROW = 40;
  let matches = D.messages.map((_, number) => number), active = -1, haystack = null;
  const rows = new Map();
  const tones = { deleted: "ok", "dead-lettered": "error", filtered: "visible", expired: "timeout", purged: "visible", waiting: "flight", lost: "timeout" };

  function buildFilter() {
    const counts = {};
    for (const message of D.messages) counts[message[4]] = (counts[message[4]] || 0) + 1;
    put($("outcome"), el("option", { value: "" }, `all ${D.messages.length.toLocaleString("en")}`), ...OUTCOMES.filter((name) => counts[name]).map((name) => el("option", { value: name }, `${name} ${counts[name].toLocaleString("en")}`)));
  }

  function search() {
    const wanted = $("search").value.trim().toLowerCase(), outcome = $("outcome").value;
    if (wanted && !haystack) haystack = D.messages.map((message) => [message[0], message[1], message[2], message[3], message[8]].filter(Boolean).join("\n").toLowerCase());
    matches = [];
    D.messages.forEach((message, number) => {
      if ((!outcome || message[4] === outcome) && (!wanted || haystack[number].includes(wanted))) matches.push(number);
    });
    $("found").textContent = wanted || outcome ? `${matches.length.toLocaleString("en")} of ${many(D.messages.length, "message")}` : many(D.messages.length, "message") + (D.run.redacted ? ", bodies are hidden" : "");
    active = matches.indexOf(look.message);
    $("list").scrollTop = 0;
    drawRows(true);
  }

  function drawRows(anew) {
    const box = $("list");
    $("list-space").style.height = `${matches.length * ROW}px`;
    if (anew) { for (const node of rows.values()) node.remove(); rows.clear(); }
    const first = Math.max(0, Math.floor(box.scrollTop / ROW) - 3), last = Math.min(matches.length - 1, Math.ceil((box.scrollTop + box.clientHeight) / ROW) + 3);
    for (const [i, node] of rows) if (i < first || i > last) { node.remove(); rows.delete(i); }
    for (let i = first; i <= last; i++) {
      if (!rows.has(i)) { const node = row(i); rows.set(i, node); box.append(node); }
      const node = rows.get(i);
      node.setAttribute("aria-selected", String(matches[i] === look.message));
      mini(node.querySelector("canvas"), matches[i]);
    }
    const node = rows.get(active);
    if (node) box.setAttribute("aria-activedescendant", node.id);
    else box.removeAttribute("aria-activedescendant");
  }

  function row(i) {
    const number = matches[i], [, , body, group, outcome, receives] = D.messages[number];
    const name = nameOf(number);
    return el("div", {
      class: "row", role: "option", id: `row-${i}`, "aria-posinset": i + 1, "aria-setsize": matches.length, title: upright(body.slice(0, 300)) || name, style: { top: `${i * ROW}px` },
      onclick: () => { active = i; pickMessage(number, true); },
    }, el("div", { class: "top" }, el("span", { class: "name" }, name), group ? el("span", { class: "chip", style: { "--tone": "var(--line-strong)" } }, group) : null, receives > 1 ? el("span", { class: "none", title: "receives" }, `${receives} ×`) : null,
      el("span", { class: "chip", style: { "--tone": `var(--${tones[outcome]})` } }, outcome)), el("canvas", { "aria-hidden": "true" }));
  }

  function mini(node, number) {
    const wide = node.clientWidth || 300, context = canvas(node, wide, 8);
    context.fillStyle = colors.alive;
    context.fillRect(0, 3, wide, 2);
    segments(number, (a, b, state) => {
      context.fillStyle = colors[TONES[state]];
      context.fillRect((a / END) * wide, 1, Math.max(2, ((b - a) / END) * wide), 6);
    });
  }

  function pickMessage(number, reveal) {
    look.message = number;
    $("story").hidden = number === null;
    if (number !== null) {
      const message = D.messages[number], line = message[7];
      const i = matches.indexOf(number);
      if (i >= 0) {
        active = i;
        const box = $("list");
        if (i * ROW < box.scrollTop || (i + 1) * ROW > box.scrollTop + box.clientHeight) box.scrollTop = Math.max(0, i * ROW - box.clientHeight / 2);
      }
      put($("story-title"), "Story of ", named(number));
      const facts = [["Id", message[0]], ["Label", message[1] && upright(message[1])], ["Group", message[3]], ["Sent to", message[6]], ["Outcome", message[4]], ["Receives", message[5]]];
      put($("story-facts"), ...facts.filter(([, value]) => value !== null && value !== "").flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]));
      $("story-body").textContent = message[2];
      const told = D.stories[number], lines = [];
      for (let j = 0; j < told.length; j += 2) {
        const t = told[j];
        lines.push(el("li", { "data-at": t }, el("button", { type: "button", onclick: () => setCursor(t, true) }, el("time", {}, fmt(t)), el("span", {}, upright(D.texts[told[j + 1]])))));
      }
      put($("story-lines"), ...lines);
      $("life-name").replaceChildren(el("b", { title: nameOf(number) }, nameOf(number)), el("span", {}, message[4]));
      $("life-line").setAttribute("aria-label", `Life of ${nameOf(number)}: ${message[4]}, ${many(message[5], "receive")}`);
      const last = line.length ? line[line.length - 3] : END;
      if (reveal) revealLane(lit);
      if (reveal && line.length && (last < look.from || line[0] > look.to)) view(line[0] - (last - line[0]) * 0.1, last + (last - line[0]) * 0.1 + 100);
    }
    drawRows();
    markStory();
    showState();
    draw();
  }

  function zoomToLife() {
    const line = D.messages[look.message][7];
    if (!line.length) return;
    const first = line[0], last = line[line.length - 2] === 3 ? line[line.length - 3] : END, margin = Math.max(100, (last - first) * 0.05);
    view(first - margin, last + margin);
  }

  function markStory() {
    let here = null;
    for (const node of $("story-lines").children) {
      const past = Number(node.dataset.at) <= look.cursor;
      node.className = past ? "past" : "";
      if (past) here = node;
    }
    if (here) here.classList.add("here");
  }

  function wireMessages() {
    $("search").addEventListener("input", search);
    $("outcome").addEventListener("change", search);
    $("search").addEventListener("keydown", (event) => {
      if (event.key === "ArrowDown" || event.key === "Enter") { event.preventDefault(); $("list").focus(); if (matches.length) { active = 0; pickMessage(matches[0], true); } }
      if (event.key === "Escape") { $("search").value = ""; search(); }
    });
    $("list").addEventListener("scroll", () => drawRows());
    $("list").addEventListener("keydown", (event) => {
      const page = Math.floor($("list").clientHeight / ROW);
      const moves = { ArrowDown: active + 1, ArrowUp: active - 1, PageDown: active + page, PageUp: active - page, Home: 0, End: matches.length - 1, Enter: Math.max(0, active), " ": Math.max(0, active) };
      if (!(event.key in moves) || !matches.length) return;
      event.preventDefault();
      active = clamp(moves[event.key], 0, matches.length - 1);
      pickMessage(matches[active], true);
    });
    $("forget").onclick = () => pickMessage(null);
    $("whole").onclick = zoomToLife;
    $("close").onclick = closeDetail;
    $("before").onclick = () => stepInvocation(-1);
    $("after").onclick = () => stepInvocation(1);
  }

  // --- the rest -------------------------------------------------------------------------------------------------

  function buildHeader() {
    const run = D.run, title = run.scenario || "Run";
    document.title = `${title} · trace`;
    $("title").textContent = title;
    const virtual = run.clock === "virtual";
    $("when").textContent = `${virtual ? "Virtual" : "Real"} time ${clockTime(0).slice(0, 19)} → ${clockTime(run.end).slice(0, 19)} UTC`;
    const facts = [
      [virtual ? "Virtual time" : "Real time", fmt(run.end)],
      virtual && run.real_seconds !== null ? ["Real time", `${run.real_seconds} s`] : null,
      ["Stopped", run.stopped || "not yet"],
      ["Messages", D.messages.length.toLocaleString("en")],
      ["Invocations", invocations.length.toLocaleString("en")],
      ["Profile", run.profile],
      ["Seed", run.seed],
      run.redacted ? ["Bodies", "hidden"] : null,
    ];
    put($("facts"), ...facts.filter((item) => item && item[1] !== null).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))));
  }

  function buildDiagnoses() {
    if (!D.diagnoses.length) { put($("diagnoses"), el("p", { class: "none" }, "None: nothing in this run proves a cause of trouble.")); return; }
    put($("diagnoses"), ...D.diagnoses.map((found, i) => {
      const seen = new Set();
      const places = found.evidence.filter(([t, event]) => !seen.has(t + event) && seen.add(t + event)).slice(0, 6);
      const links = [
        ...places.map(([t, event]) => el("button", { type: "button", onclick: () => { setCursor(t, true); focusOn(t); } }, `${event} at ${fmt(t)}`)),
        ...found.messages.slice(0, 6).map((number) => el("button", { type: "button", onclick: () => pickMessage(number, true) }, nameOf(number))),
      ];
      const safe = /^https:\/\//.test(found.source) ? el("a", { href: found.source, rel: "noreferrer noopener", target: "_blank" }, "AWS’s page") : null;
      const node = el("details", {}, el("summary", {}, el("span", { class: "code" }, found.code), el("b", {}, found.subject), `  ${upright(found.summary)}`), el("p", { class: "fix" }, upright(found.fix), " ", safe), el("div", { class: "links" }, ...links));
      node.open = i === 0;
      return node;
    }));
  }

  function focusOn(t) {
    const span = Math.min(END, Math.max(2000, END / 8));
    if (look.to - look.from > span) view(t - span / 2, t + span / 2);
  }

  function buildLegend() {
    const items = [["ok", "success"], ["partial", "partial failure"], ["error", "error"], ["timeout", "timeout"], ["throttle", "throttled"], ["gather", "gathering a batch"], ["cold", "cold start"], ["visible", "visible (waiting)"], ["flight", "in flight"], ["delayed", "delayed"]];
    put($("legend"), ...items.map(([tone, name]) => el("li", {}, el("i", { style: { background: `var(--${tone})` } }), name)));
  }

  // what has the focus: its id, or its place in what has one
  const focusable = (box) => [...box.querySelectorAll("button, summary, a")];
  function focused() {
    const node = document.activeElement, box = node && node.closest("main [id]");
    if (!box) return null;
    return { id: box.id, place: box === node ? -1 : focusable(box).indexOf(node), caret: node === $("search") ? [node.selectionStart, node.selectionEnd] : null };
  }

  function focusAgain({ id, place: number, caret }) {
    const box = $(id), node = box && (number < 0 ? box : focusable(box)[number]);
    if (!node || document.activeElement === node) return;
    node.focus({ preventScroll: true });
    if (caret) node.setSelectionRange(...caret);
  }

  const causeOf = (i) => `${D.diagnoses[i].code} ${D.diagnoses[i].subject}`;
  const causes = () => [...document.querySelectorAll("#diagnoses details")].map((node, i) => [causeOf(i), node.open]);

  readColors();
  buildHeader();
  buildLegend();
  buildDiagnoses();
  buildCharts();
  buildFilter();
  laneSizes();
  measure();
  wirePlots();
  wireMessages();
  $("lanes-canvas").setAttribute("aria-label", `${many(pollerLanes.length, "poller")} and ${many(environmentLanes.length, "execution environment")}, ${many(invocations.length, "invocation")}; step through them with the keys , and .`);
  if (kept) restore();
  else {
    search();
    setCursor(D.live ? END : 0);
  }
  draw();

  // times are absolute and messages go by id: a long run forgets its beginning
  function keep() {
    const whole = look.to - look.from >= END * 0.999;
    return {
      focus: focused(), causes: causes(),
      origin: D.run.origin, from: look.from, to: look.to, whole, cursor: look.cursor, follows: look.cursor >= END,
      message: look.message === null ? null : D.messages[look.message][0], request: look.invocation === null ? null : invocations[look.invocation].request,
      search: $("search").value, outcome: $("outcome").value, list: $("list").scrollTop, lanes: $("lanes").scrollTop, story: $("story-lines").scrollTop, y: scrollY,
    };
  }

  function restore() {
    const by = kept.origin - D.run.origin;
    $("search").value = kept.search;
    $("outcome").value = kept.outcome;
    if ($("outcome").selectedIndex < 0) $("outcome").value = "";
    search();
    if (kept.whole) { look.from = 0; look.to = END; }
    else view(kept.from + by, kept.to + by);
    setCursor(kept.follows ? END : kept.cursor + by);
    const message = kept.message === null ? -1 : D.messages.findIndex((row) => row[0] === kept.message);
    if (message >= 0) pickMessage(message);
    const invocation = kept.request === null ? -1 : invocations.findIndex((one) => one.request === kept.request);
    if (invocation >= 0) pickBatch(invocations[invocation].batch, invocation);
    $("list").scrollTop = kept.list;
    $("lanes").scrollTop = kept.lanes;
    $("story-lines").scrollTop = kept.story;
    scrollTo(0, kept.y);
    const opened = new Map(kept.causes);
    document.querySelectorAll("#diagnoses details").forEach((node, i) => { if (opened.has(causeOf(i))) node.open = opened.get(causeOf(i)); });
    if (kept.focus) focusAgain(kept.focus);
    drawRows();
  }

  return { keep, stop: () => over.abort() };
  }

  function redraw(data) {
    const kept = page.keep();
    page.stop();
    parts.forEach((node, i) => {
      const fresh = pristine[i].cloneNode(true);
      node.replaceWith(fresh);
      parts[i] = fresh;
    });
    page = start(data, kept);
  }

/*live*/
  const first = JSON.parse($("data").textContent);
  page = start(first, null);
  if (first.live) follow(first.live, redraw);
})();

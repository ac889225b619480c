  // --- a run that goes on -----------------------------------------------------------------------------------------

  function follow(live, redraw) {
    const box = $("live"), say = (text) => { $("live-said").textContent = text; };
    box.hidden = false;
    const fill = (id, names) => $(id).replaceChildren(...names.map((name) => Object.assign(document.createElement("option"), { textContent: name, value: name })));
    fill("live-queue", live.queues);
    fill("live-dead", live.dead);
    fill("live-mapping", live.mappings);
    $("live-redrive").disabled = !live.dead.length;
    $("live-send").disabled = !live.queues.length;
    async function ask(what, values) {
      try {
        const answer = await fetch(what, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(values) });
        say(await answer.text());
      } catch (error) {
        say("The run does not answer: it has ended.");
      }
    }
    $("live-send").onclick = () => ask("/send", { queue: $("live-queue").value, body: $("live-body").value });
    $("live-redrive").onclick = () => ask("/redrive", { queue: $("live-dead").value });
    $("live-disable").onclick = () => ask("/mapping", { mapping: $("live-mapping").value, enabled: false });
    $("live-enable").onclick = () => ask("/mapping", { mapping: $("live-mapping").value, enabled: true });

    let held = false, wanted = false, busy = false;
    addEventListener("pointerdown", () => { held = true; });
    addEventListener("pointerup", () => { held = false; });
    addEventListener("pointercancel", () => { held = false; });
    async function refresh() {
      if (busy || held || !wanted || document.activeElement === $("now")) return;
      busy = true;
      wanted = false;
      const began = performance.now();
      try {
        const answer = await fetch("/data");
        const data = await answer.json();
        if (held) wanted = true;
        else redraw(data);
      } catch (error) { /* the stream of events says when the run has ended */ }
      setTimeout(() => { busy = false; refresh(); }, Math.max(700, 4 * (performance.now() - began)));
    }
    setInterval(refresh, 500);
    const events = new EventSource("/events");
    events.onmessage = () => { wanted = true; refresh(); };
    events.onopen = () => { $("live-state").textContent = "Live"; };
    events.onerror = () => { $("live-state").textContent = "Ended, or not reachable"; };
  }

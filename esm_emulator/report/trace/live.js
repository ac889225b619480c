  // --- a run that goes on -----------------------------------------------------------------------------------------

  function follow(live, redraw) {
    const box = $("live"), say = (text) => { $("live-said").textContent = text; };
    box.hidden = false;
    // the names are not there before the run has begun, and a run that was started anew has others
    function fill(id, names, ...buttons) {
      const choice = $(id), chosen = choice.value;
      for (const button of buttons) $(button).disabled = !names.length;
      if (names.join("\n") === [...choice.options].map((option) => option.value).join("\n")) return;
      choice.replaceChildren(...names.map((name) => Object.assign(document.createElement("option"), { textContent: name, value: name })));
      if (names.includes(chosen)) choice.value = chosen;
    }
    function offer({ queues, dead, mappings }) {
      fill("live-queue", queues, "live-send");
      fill("live-dead", dead, "live-redrive");
      fill("live-mapping", mappings, "live-disable", "live-enable");
    }
    offer(live);
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

    // what somebody selects to copy it would be gone with the next news
    const selects = () => { const now = getSelection(); return now !== null && !now.isCollapsed && document.querySelector("main").contains(now.anchorNode); };
    let held = false, wanted = false, busy = false, open = true;
    function tell() {
      const state = !open ? "Ended, or not reachable" : selects() ? "Held while text is selected" : "Live";
      if ($("live-state").textContent !== state) $("live-state").textContent = state;
    }
    document.addEventListener("selectionchange", tell);
    addEventListener("pointerdown", () => { held = true; });
    addEventListener("pointerup", () => { held = false; });
    addEventListener("pointercancel", () => { held = false; });
    async function refresh() {
      if (busy || held || !wanted || selects() || document.activeElement === $("now")) return;
      busy = true;
      wanted = false;
      const began = performance.now();
      const data = await fetch("/data").then((answer) => answer.json()).catch(() => null); // the events say when the run has ended
      try {
        if (data) offer(data.live);
        if (data && (held || selects())) wanted = true;
        else if (data) redraw(data);
      } finally {
        setTimeout(() => { busy = false; refresh(); }, Math.max(700, 4 * (performance.now() - began)));
      }
    }
    setInterval(refresh, 500);
    const events = new EventSource("/events");
    events.onmessage = () => { wanted = true; refresh(); };
    events.onopen = () => { open = true; tell(); };
    events.onerror = () => { open = false; tell(); };
  }

{
  "use strict";
  const byId = (id) => document.getElementById(id);
  const SVG = "http://www.w3.org/2000/svg";
  const LARGEST = 5e6;
  const RETRIES = 20;
  const GROUPS = ["columns", "fit", "plan", "budget"];
  const answer = byId("answer");
  const slider = byId("slider");

  let shown = null; // the answer on the page, and its table
  let newest = 0; // number of the last request; answers to earlier ones are ignored
  let pending = null;

  const say = (text) => { byId("status").textContent = text; };
  const complain = (text) => {
    byId("error").hidden = !text;
    byId("error").textContent = text;
  };

  // ---- asking ------------------------------------------------------------------------------

  // The choices the user changed; the server derives the others from the table.
  let chosen = {};

  const wait = (seconds, signal) => new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, 1000 * seconds);
    signal.addEventListener("abort", () => { clearTimeout(timer); reject(signal.reason); });
  });

  async function post(table, choices, signal) {
    const query = new URLSearchParams({ name: table.name, ...choices });
    for (let attempt = 0; attempt < RETRIES; attempt += 1) {
      const response = await fetch(`/table?${query}`, {
        method: "POST", body: table.bytes, signal,
        headers: { "Content-Type": "application/octet-stream" },
      });
      if (response.status !== 503) return response;
      const seconds = Number(response.headers.get("Retry-After")) || 1;
      say(`The server is busy; asking again in ${seconds} s.`);
      await wait(seconds, signal);
    }
    throw new Error("the server is busy; try again in a minute");
  }

  async function read(response) {
    const text = await response.text();
    let reply = null;
    try { reply = JSON.parse(text); } catch { /* told below, by the status */ }
    if (response.ok && reply) return reply;
    throw new Error(reply?.error ?? `the server answered with status ${response.status}`);
  }

  async function ask(table, choices) {
    const number = newest += 1;
    pending?.abort();
    pending = new AbortController();
    const { signal } = pending;
    document.querySelector(".result").setAttribute("aria-busy", "true");
    say(`Fitting ${table.name} …`);
    try {
      const reply = await read(await post(table, choices, signal));
      if (number === newest) show(table, reply);
    } catch (error) {
      if (number === newest) {
        complain(error instanceof TypeError
          ? `The server cannot be reached (${error.message}). Is allometry serve still running?`
          : error.message);
        say(shown ? `The answer below is still that of ${shown.table.name}.` : "");
      }
    } finally {
      if (number === newest) document.querySelector(".result").removeAttribute("aria-busy");
    }
  }

  const askAgain = (more = {}) => { if (shown) ask(shown.table, { ...chosen, ...more }); };

  async function take(file) {
    if (!file) return;
    if (file.size > LARGEST) {
      complain(`${file.name} has ${(file.size / 1e6).toFixed(1)} MB, and the page reads 5 MB at most: `
        + "keep the columns and rows to fit, or use allometry fit on the command line.");
      return;
    }
    const name = file.name;
    let bytes;
    try { bytes = await file.arrayBuffer(); } catch (error) {
      complain(`${name} could not be read: ${error.message}`);
      return;
    }
    ask({ name, bytes }, {});
  }

  // ---- showing -----------------------------------------------------------------------------

  function show(table, reply) {
    complain(reply.problem);
    const before = shown;
    const isNew = before?.table !== table;
    byId("main").hidden = false;
    byId("intro").hidden = true;
    byId("file-name").textContent = reply.name;
    byId("file-facts").textContent = `${reply.rows} rows, ${reply.columns.length} columns`;
    if (reply.problem && !isNew) {
      showFields(reply.fields);
      say("The answer below is the previous one.");
      return;
    }
    shown = { table, reply };
    if (isNew) chosen = {};
    if (!reply.problem) chosen.where = reply.fields.find((field) => field.key === "where").value;
    showFields(reply.fields);
    if (isNew && innerWidth < 900) byId("choices-details").open = Boolean(reply.problem);
    const focused = document.activeElement?.id;
    const within = answer.contains(document.activeElement);
    const scrolled = answer.querySelector(".tall")?.scrollTop ?? 0;
    const parsed = new DOMParser().parseFromString(reply.html ?? "", "text/html");
    answer.replaceChildren(...parsed.body.childNodes);
    if (within) (byId(focused) ?? answer).focus({ preventScroll: true });
    if (!isNew && answer.querySelector(".tall")) answer.querySelector(".tall").scrollTop = scrolled;
    showSlider();
    say(reply.problem
      ? "Choose the columns by the menus."
      : `${answer.querySelector(".sentence").textContent} ${reply.fit.rows} of ${reply.rows} rows are fitted: ${reply.fit.status.code.replaceAll("_", " ")}.`);
  }

  function showFields(fields) {
    for (const group of GROUPS) {
      const wanted = fields.filter((field) => field.group === group);
      const set = byId(`group-${group}`);
      const place = set.querySelector(".fields");
      set.hidden = !wanted.length;
      const keys = [...place.querySelectorAll("[data-key]")].map((e) => e.dataset.key);
      if (keys.join("\n") !== wanted.map((field) => field.key).join("\n")) {
        const focused = place.contains(document.activeElement) && document.activeElement.id;
        place.replaceChildren(...wanted.map(control));
        if (focused) byId(focused)?.focus();
      }
      for (const field of wanted) fill(byId(`field-${field.key}`), field);
    }
  }

  function control(field) {
    const label = document.createElement("label");
    const kind = { select: "select", lines: "textarea" }[field.kind] ?? "input";
    const input = document.createElement(kind);
    input.id = `field-${field.key}`;
    input.dataset.key = field.key;
    input.spellcheck = false;
    if (kind === "input") input.inputMode = "decimal";
    label.append(field.label, input);
    if (field.help) {
      const help = document.createElement("small");
      help.id = `help-${field.key}`;
      help.textContent = field.help;
      input.setAttribute("aria-describedby", help.id);
      label.append(help);
    }
    return label;
  }

  function fill(input, field) {
    if (field.kind === "select") {
      const texts = JSON.stringify(field.options);
      if (input.dataset.options !== texts) {
        input.replaceChildren(...field.options.map(({ value, label }) => new Option(label, value)));
        input.dataset.options = texts;
      }
    }
    const typing = input === document.activeElement && field.kind !== "select"
      && input.value !== input.defaultValue && input.dataset.typed;
    if (!typing) input.value = field.value;
  }

  // ---- the slider --------------------------------------------------------------------------

  function showSlider() {
    const steps = shown.reply.slider ?? [];
    byId("budget").hidden = !steps.length;
    if (!steps.length) return;
    const known = steps.filter((step) => !step.beyond).length;
    slider.max = steps.length - 1;
    slider.value = steps.findIndex((step) => step.planned);
    byId("track-known").style.width = `${100 * Math.max(0, known - 0.5) / (steps.length - 1)}%`;
    showStep();
  }

  function showStep() {
    const step = shown.reply.slider[Number(slider.value)];
    const texts = step.text;
    byId("at-compute").textContent = texts.compute;
    byId("at-where").textContent = texts.where;
    for (const size of ["n", "d", "loss"]) {
      byId(`at-${size}`).textContent = texts[size];
      byId(`at-${size}-ends`).textContent = `(${texts[`${size}_ends`]})`;
    }
    slider.setAttribute("aria-valuetext",
      `${texts.compute}, ${texts.where}: N ${texts.n}, D ${texts.d}, loss ${texts.loss}`);
    mark(step);
  }

  function mark(step) {
    const svg = answer.querySelector("#chart svg");
    const { frame } = shown.reply.chart;
    svg?.querySelector(".at")?.remove();
    const x = place(frame, "x", step.compute);
    if (!svg || x < frame.left || x > frame.left + frame.width) return;
    const line = document.createElementNS(SVG, "line");
    line.setAttribute("class", "at");
    for (const [name, value] of [["x1", x], ["x2", x], ["y1", frame.top], ["y2", frame.top + frame.height]]) {
      line.setAttribute(name, value);
    }
    svg.append(line);
  }

  slider.addEventListener("input", showStep);
  slider.addEventListener("change", () => {
    chosen.compute = String(shown.reply.slider[Number(slider.value)].compute);
    askAgain();
  });

  // ---- the rectangle on the chart ----------------------------------------------------------

  const scale = (log, value) => (log ? Math.log(value) : value);

  function place(frame, axis, value) {
    const [low, high] = frame[axis].map((end) => scale(frame[`${axis}_log`], end));
    const share = (scale(frame[`${axis}_log`], value) - low) / (high - low);
    return axis === "x" ? frame.left + share * frame.width : frame.top + (1 - share) * frame.height;
  }

  function number(frame, axis, at) {
    const share = axis === "x" ? (at - frame.left) / frame.width : 1 - (at - frame.top) / frame.height;
    const [low, high] = frame[axis].map((end) => scale(frame[`${axis}_log`], end));
    const value = low + Math.min(1, Math.max(0, share)) * (high - low);
    return frame[`${axis}_log`] ? Math.exp(value) : value;
  }

  function pointed(svg, event) {
    return new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
  }

  let drag = null;
  answer.addEventListener("pointerdown", (event) => {
    const svg = event.target.closest("#chart svg");
    if (!svg || event.button || event.pointerType === "touch") return;
    event.preventDefault();
    svg.setPointerCapture(event.pointerId);
    svg.querySelector(".rectangle")?.remove();
    const rectangle = document.createElementNS(SVG, "rect");
    rectangle.setAttribute("class", "rectangle");
    svg.append(rectangle);
    drag = { svg, rectangle, from: pointed(svg, event) };
  });
  answer.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const to = pointed(drag.svg, event);
    const { from, rectangle } = drag;
    const { frame } = shown.reply.chart;
    const inX = (x) => Math.min(frame.left + frame.width, Math.max(frame.left, x));
    const inY = (y) => Math.min(frame.top + frame.height, Math.max(frame.top, y));
    const [x0, x1] = [inX(from.x), inX(to.x)].sort((a, b) => a - b);
    const [y0, y1] = [inY(from.y), inY(to.y)].sort((a, b) => a - b);
    for (const [name, value] of [["x", x0], ["y", y0], ["width", x1 - x0], ["height", y1 - y0]]) {
      rectangle.setAttribute(name, value);
    }
    const write = (id, axis, at) => { byId(id).value = number(frame, axis, at).toPrecision(6); };
    write("brush-x0", "x", x0); write("brush-x1", "x", x1);
    write("brush-y0", "y", y1); write("brush-y1", "y", y0);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    answer.addEventListener(end, () => { drag = null; });
  }

  function brushed(what) {
    const { frame } = shown.reply.chart;
    const [low, high] = [Math.min(...frame.x), Math.max(...frame.x)];
    const [bottom, top] = [Math.min(...frame.y), Math.max(...frame.y)];
    const value = (id, otherwise) => byId(id).value.trim() || String(otherwise);
    askAgain({ brush: [what, value("brush-x0", low), value("brush-x1", high),
      value("brush-y0", bottom), value("brush-y1", top)].join(" ") });
  }

  // ---- everything that is pressed ----------------------------------------------------------

  async function copy(button) {
    const text = byId(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(text.textContent);
      say(`Copied: ${byId(`${text.id}-label`).textContent}.`);
    } catch {
      getSelection().selectAllChildren(text);
      say("The browser does not let the page copy; the text is selected, press Ctrl+C.");
    }
  }

  function save(name) {
    const address = URL.createObjectURL(
      new Blob([`${JSON.stringify(shown.reply[name], null, 1)}\n`], { type: "application/json" }),
    );
    const link = document.createElement("a");
    link.href = address;
    link.download = `${name}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  }

  answer.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const { copy: copied, save: saved, brush, leave, clear } = button.dataset;
    if (copied) copy(button);
    else if (saved) save(saved);
    else if (brush) brushed(brush);
    else if (leave) askAgain({ leave_row: leave });
    else if (clear !== undefined) askAgain({ where: "" });
  });

  const form = byId("choices");
  form.addEventListener("input", (event) => { event.target.dataset.typed = "yes"; });
  form.addEventListener("change", (event) => {
    delete event.target.dataset.typed;
    chosen[event.target.dataset.key] = event.target.value;
    askAgain();
  });
  form.addEventListener("submit", (event) => event.preventDefault());

  byId("file").addEventListener("change", (event) => {
    take(event.target.files[0]);
    event.target.value = ""; // so that the same file can be chosen again
  });
  const zone = byId("drop");
  for (const kind of ["dragenter", "dragover"]) {
    addEventListener(kind, (event) => {
      event.preventDefault();
      zone.classList.add("over");
    });
  }
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) zone.classList.remove("over");
  });
  addEventListener("drop", (event) => {
    event.preventDefault();
    zone.classList.remove("over");
    take(event.dataTransfer.files[0]);
  });
}

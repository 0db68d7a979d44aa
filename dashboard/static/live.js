/*
 * Keeps a page up to date. The server says of whom something changed; every element that is about them (`data-live-of`)
 * is fetched anew from where it came (`data-live-from`). Without this script a page is whole and stays as it was.
 */

const connection = document.getElementById("connection");
const pending = new Set();
let working = false;

function tell(text) {
  if (connection && connection.textContent !== text) connection.textContent = text;
}

/** What of an element a replacement must not take away: focus, open details, how far it was scrolled. */
function stateOf(element) {
  const focused = element.contains(document.activeElement) ? document.activeElement : undefined;
  return {
    focus: focused?.id,
    open: [...element.querySelectorAll("details[open][id]")].map(({ id }) => id),
    scrolled: [...element.querySelectorAll("[data-keep-scroll][id]")].map((one) => ({
      id: one.id,
      left: one.scrollLeft,
      atEnd: one.scrollLeft + one.clientWidth >= one.scrollWidth - 8,
    })),
  };
}

function restore({ focus, open, scrolled }) {
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  for (const { id, left, atEnd } of scrolled) {
    const element = document.getElementById(id);
    if (element) element.scrollLeft = atEnd ? element.scrollWidth : left;
  }
  if (focus) document.getElementById(focus)?.focus({ preventScroll: true });
}

async function refresh(element) {
  const answer = await fetch(element.dataset.liveFrom, { credentials: "same-origin" });
  if (answer.status === 401) return location.reload();
  if (!answer.ok) return;
  const template = document.createElement("template");
  template.innerHTML = (await answer.text()).trim();
  const fresh = template.content.firstElementChild;
  if (!fresh || fresh.outerHTML === element.outerHTML) return;
  const state = stateOf(element);
  element.replaceWith(fresh);
  restore(state);
  tellAges();
  tellLeft();
}

/** One learner after the other, so that a burst of changes does not become a burst of requests. */
async function work() {
  if (working) return;
  working = true;
  try {
    while (pending.size > 0) {
      const [learner] = pending;
      pending.delete(learner);
      await Promise.all([...document.querySelectorAll(`[data-live-of="${CSS.escape(learner)}"]`)].map(refresh));
    }
  } catch {
    tell("Not connected");
  } finally {
    working = false;
  }
}

function changed(learner) {
  pending.add(learner).add("*");
  void work();
}

function tellAges() {
  for (const time of document.querySelectorAll("time[data-ago]")) {
    const minutes = Math.floor((Date.now() - Date.parse(time.dateTime)) / 60_000);
    const text =
      minutes < 1
        ? "<1 min"
        : minutes < 120
          ? `${minutes} min`
          : minutes < 2880
            ? `${Math.floor(minutes / 60)} h`
            : `${Math.floor(minutes / 1440)} d`;
    if (time.textContent !== text) time.textContent = text;
  }
}

function tellLeft() {
  for (const time of document.querySelectorAll("time[data-left]")) {
    const seconds = Math.max(0, Math.ceil((Date.parse(time.dateTime) - Date.now()) / 1000));
    const text = seconds < 120 ? `${seconds} s` : `${Math.floor(seconds / 60)} min`;
    if (time.textContent !== text) time.textContent = text;
  }
}

for (const element of document.querySelectorAll('[data-keep-scroll="end"]')) element.scrollLeft = element.scrollWidth;
setInterval(tellAges, 20_000);
setInterval(tellLeft, 1000);

tell("Connecting");
const events = new EventSource("/events");
let lost = false;
events.addEventListener("hello", () => {
  tell("Live");
  // What changed while nobody listened.
  if (lost) for (const { dataset } of document.querySelectorAll("[data-live-of]")) changed(dataset.liveOf);
  lost = false;
});
events.addEventListener("changed", ({ data }) => changed(data));
events.addEventListener("error", () => {
  lost = true;
  tell("Not connected");
});

// Keeping a page up to date: it is asked for again, and the parts marked with data-live are put in the place of the
// old ones. The server draws; here is only the exchange. A switch in the bar stops it.

const EVERY = 5000;
const parts = () => [...document.querySelectorAll("[data-live]")];
let paused = sessionStorage.getItem("paused") === "yes";
let under_way = false;

function take(fresh) {
  const news = new Map([...fresh.querySelectorAll("[data-live]")].map((part) => [part.dataset.live, part]));
  for (const old of parts()) {
    const part = news.get(old.dataset.live);
    if (!part || old.outerHTML === part.outerHTML) continue;
    const focus = old.contains(document.activeElement) ? document.activeElement : null;
    for (const open of old.querySelectorAll("details[open]")) {
      const same = part.querySelector(`#${CSS.escape(open.id)}`);
      if (same) same.open = true;
    }
    const scrolled = [...old.querySelectorAll(".scroll")].map((box) => [box.scrollLeft, box.scrollTop]);
    const place = focus ? [...old.querySelectorAll("a, summary, .plot, .scroll")].indexOf(focus) : -1;
    old.replaceWith(part);
    part.querySelectorAll(".scroll").forEach((box, index) => box.scrollTo(...(scrolled[index] ?? [0, 0])));
    document.dispatchEvent(new Event("refreshed"));
    if (focus) again(part, focus, place)?.focus({ preventScroll: true });
  }
}

// What had the focus: the same link, else what stands in its place.
function again(part, focus, place) {
  const same = [...part.querySelectorAll("a")].find((link) => focus.href && link.href === focus.href);
  return same ?? part.querySelectorAll("a, summary, .plot, .scroll")[place];
}

function refresh() {
  if (paused || under_way || document.hidden || parts().length < 2) return;
  under_way = true;
  const request = new XMLHttpRequest(); // it gives a document without running anything in it
  request.open("GET", location.href);
  request.responseType = "document";
  request.timeout = 4 * EVERY;
  request.setRequestHeader("X-Postmill-Refresh", "1");
  request.onload = () => {
    if (new URL(request.responseURL).pathname !== location.pathname) location.reload(); // the session is over
    else if (request.status === 200 && request.response && !paused) take(request.response);
  };
  request.onloadend = () => { under_way = false; };
  request.send();
}

const place = document.querySelector(".live-switch");
if (place && parts().length > 1) {
  const button = document.createElement("button");
  button.className = "quiet";
  const label = () => { button.textContent = paused ? "Resume" : "Pause"; button.title = paused ? "Nothing is updated now" : "The page updates itself"; };
  button.addEventListener("click", () => {
    paused = !paused;
    sessionStorage.setItem("paused", paused ? "yes" : "no");
    label();
    refresh();
  });
  label();
  place.append(button);
}
setInterval(refresh, EVERY);
document.addEventListener("visibilitychange", refresh);

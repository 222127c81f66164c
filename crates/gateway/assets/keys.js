// Keys of the pages of people: where to go, what to look at next, what to hand on. What the page does not have does
// nothing. Single keys can be turned off (WCAG 2.1.4).
const help = document.getElementById("shortcuts");
const single = document.getElementById("shortcuts-single");
const OFF = "zhoubao-single-keys-off";
const places = { b: "/board", d: "/desk", j: "/submissions", y: "/admin" };
let going = false;

single.checked = localStorage.getItem(OFF) === null;
single.addEventListener("change", () => {
  if (single.checked) localStorage.removeItem(OFF); else localStorage.setItem(OFF, "1");
});
document.getElementById("shortcuts-open").addEventListener("click", () => help.showModal());

function go(place) {
  const link = document.querySelector(`nav a[href="${place}"]`);
  if (link) location.assign(link.href);
}

/// The finding before or after the one that was looked at last.
function find(by) {
  const all = [...document.querySelectorAll(".found")];
  if (all.length === 0) return;
  const at = all.indexOf(document.activeElement.closest(".found"));
  const to = at < 0 ? (by > 0 ? 0 : all.length - 1) : (at + by + all.length) % all.length;
  all[to].tabIndex = -1;
  all[to].focus();
}

document.addEventListener("keydown", event => {
  if (event.isComposing || help.open) return;
  if (event.key === "Enter" && event.ctrlKey) {
    document.querySelector("button[data-hand-on]")?.click();
    return;
  }
  const typing = event.target.closest("input, textarea, select");
  if (typing || !single.checked || event.ctrlKey || event.altKey || event.metaKey) return;
  if (going) {
    going = false;
    if (event.key in places) go(places[event.key]);
  } else if (event.key === "g") {
    going = true;
    setTimeout(() => { going = false; }, 1_500);
  } else if (event.key === "?") help.showModal();
  else if (event.key === "]") find(1);
  else if (event.key === "[") find(-1);
  else return;
  event.preventDefault();
});

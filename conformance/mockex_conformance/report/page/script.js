"use strict";
// The page is whole without this: it adds filters, arrow keys in the matrix and buttons that copy.
const form = document.querySelector(".filters");
const table = document.querySelector(".matrix");
const heads = [...table.tHead.rows[0].cells].slice(3);
const rows = [...table.querySelectorAll("tbody tr:not(.group)")];
const articles = [...document.querySelectorAll("article")];
const said = {}; // number of a case: what is said of it below the matrix
for (const article of articles) {
  const number = article.closest(".chapter").querySelector("h3").id;
  said[number] = (said[number] || "") + " " + article.querySelector(".seen, p")?.textContent;
}

function filter() {
  const want = Object.fromEntries(new FormData(form));
  const words = want.text.toLowerCase().split(/\s+/).filter(Boolean);
  const has = (text) => words.every((word) => text.toLowerCase().includes(word));
  const column = heads.map((head) => !want.testee || head.dataset.testee === want.testee);
  heads.forEach((head, index) => (head.hidden = !column[index]));
  const shown = new Set();
  for (const row of rows) {
    const number = row.cells[0].textContent;
    const weight = row.cells[2].textContent.split(" ");
    const cells = [...row.cells].slice(3);
    cells.forEach((cell, index) => (cell.hidden = !column[index]));
    const there = cells.some((cell, index) =>
      column[index] && cell.className !== "none" && (!want.verdict || want.verdict === (cell.className || "PASS")));
    row.hidden = !(there &&
      (!want.group || row.parentNode.dataset.group === want.group) &&
      (!want.weight || weight[0] === want.weight) &&
      (!want.level || weight[1] === want.level) &&
      has(row.cells[0].title + " " + row.textContent + (said[number] || "")));
    if (!row.hidden) shown.add(number);
  }
  for (const row of table.tFoot.rows)
    [...row.cells].slice(1).forEach((cell, index) => (cell.hidden = !column[index]));
  for (const body of table.tBodies)
    body.hidden = ![...body.rows].some((row) => !row.hidden && !row.className);
  for (const article of articles) {
    const chapter = article.closest(".chapter").querySelector("h3").id;
    const verdicts = [...article.querySelectorAll(".v")].map((badge) => badge.classList[1]);
    article.hidden = !(
      (chapter === "START" || shown.has(chapter)) &&
      (!want.testee || article.dataset.testee === want.testee) &&
      (!want.verdict || verdicts.includes(want.verdict)));
  }
  for (const chapter of document.querySelectorAll(".chapter"))
    chapter.hidden = !chapter.querySelector("article:not([hidden])");
  for (const summary of document.querySelectorAll(".summary"))
    summary.hidden = want.testee && summary.dataset.testee !== want.testee;
  const left = articles.filter((article) => !article.hidden).length;
  form.querySelector("output").textContent =
    `${shown.size} of ${rows.length} cases, ${left} of ${articles.length} failures shown`;
}

form.hidden = false;
form.addEventListener("input", filter);
form.addEventListener("reset", () => setTimeout(filter));
form.addEventListener("submit", (event) => event.preventDefault());
filter();

// Arrow keys go from one cell that leads somewhere to the next in that direction.
table.addEventListener("keydown", (event) => {
  const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
  const cell = event.target.closest("td");
  if (!step || !cell) return;
  event.preventDefault();
  let y = rows.indexOf(cell.parentNode), x = cell.cellIndex;
  for (;;) {
    y += step[0];
    x += step[1];
    const next = rows[y]?.cells[x];
    if (!next || x < 3) return;
    const link = !next.hidden && !next.parentNode.hidden && next.querySelector("a");
    if (link) return link.focus();
  }
});

// A cell leads to its failure, whatever the filters hide.
addEventListener("hashchange", () => {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (target?.closest("[hidden]")) {
    form.reset();
    setTimeout(() => target.scrollIntoView());
  }
});

for (const code of document.querySelectorAll("code.copy")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "copy";
  button.setAttribute("aria-label", "copy " + code.textContent);
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(code); // not allowed here: selected, for Ctrl-C
      button.textContent = "selected";
    }
    setTimeout(() => (button.textContent = "copy"), 1500);
  });
  code.after(button);
}

// Compares files with the list of what was published, on this machine: nothing is sent anywhere.
"use strict";
(() => {
  const register = JSON.parse(document.getElementById("register").textContent);
  const list = document.getElementById("told");

  async function digest(file) {
    const hash = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
    return Array.from(new Uint8Array(hash), (it) => it.toString(16).padStart(2, "0")).join("");
  }

  function verdict(name, sha256) {
    const same = register.filter((it) => it.sha256 === sha256);
    // A file that two versions have in common is valid if one of them is.
    const found = same.find((it) => it.standing === "valid") || same[0];
    if (!found) {
      const named = register.find((it) => it.file === name);
      return named
        ? ["文件被改动", `与刊发的 ${named.file}（${named.issue}）不同，请向本厅另取。`]
        : ["文件被改动", "刊发目录中没有内容相同的文件：不是原件，或在目录截止之后刊发。"];
    }
    const what = `与${found.issue}刊发的 ${found.file} 一字不差。`;
    if (found.standing === "void") return ["此期已作废", what];
    if (found.standing === "corrected") return ["此版已被更正，现行为更正版", what];
    return ["真实有效", what];
  }

  async function verify(files) {
    list.replaceChildren();
    // Browsers compute digests for pages from https, this machine or a file only.
    if (!crypto.subtle) {
      list.append("未能核验：浏览器只在 https 页面上计算摘要，请改用下载的离线核验页。");
      return;
    }
    for (const file of files) {
      const item = document.createElement("li");
      const word = document.createElement("b");
      let told;
      try {
        told = verdict(file.name, await digest(file));
      } catch (error) {
        told = ["未能核验", `读不到这份文件（${error.name}）。`];
      }
      word.textContent = told[0];
      item.append(`${file.name}：`, word, `。${told[1]}`);
      list.append(item);
    }
  }

  const input = document.getElementById("file");
  input.addEventListener("change", () => verify([...input.files]));
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    verify([...event.dataTransfer.files]);
  });
})();

// Every page works without this script. It does two things: it renews the parts of a page that say how often
// (data-refresh, in seconds), and it asks before a form that says what to ask (data-ask) is sent.
'use strict';

(() => {
  const SECOND = 1000;

  // --- renew ---------------------------------------------------------------------------------

  let timer;
  let since; // when the console last answered, once it does not

  const parts = () => [...document.querySelectorAll('[data-refresh][id]')];

  // Whoever types, selects or has opened something in a part would lose it.
  const inUse = (part) => {
    const selection = getSelection();
    const selected = !selection.isCollapsed && selection.containsNode(part, true);
    return selected || part.querySelector('input:focus, select:focus, textarea:focus, details[open]') !== null;
  };

  const focusable = (part) => [...part.querySelectorAll('a[href], button, summary, [tabindex]')];

  // A part is replaced only if it changed, so that a screen reader hears only news.
  const renew = (old, fresh) => {
    if (inUse(old) || old.outerHTML === fresh.outerHTML) return;
    const at = focusable(old).indexOf(document.activeElement);
    old.replaceWith(document.adoptNode(fresh));
    if (at >= 0) focusable(fresh)[at]?.focus({ preventScroll: true });
  };

  const tell = (words) => {
    const line = document.getElementById('stale');
    if (!line || line.textContent === words) return;
    line.textContent = words;
    line.hidden = words === '';
  };

  const look = async () => {
    try {
      const answer = await fetch(location.href, { headers: { Accept: 'text/html' }, redirect: 'manual' });
      if (!answer.ok && answer.status) throw new Error(`the console answers ${answer.status}`);
      const page = new DOMParser().parseFromString(await answer.text(), 'text/html');
      const found = parts().map((part) => [part, page.getElementById(part.id)]);
      // It has become another page, or leads to one: what it waited for is there.
      if (found.some(([, fresh]) => !fresh)) return void location.reload();
      for (const [old, fresh] of found) renew(old, fresh);
      since = undefined;
      tell('');
    } catch (problem) {
      since ??= new Date();
      const why = problem instanceof TypeError ? 'the console does not answer' : problem.message;
      tell(`What you see is of ${since.toLocaleTimeString()}: since then ${why}. Load the page again, or start the console again.`);
    }
  };

  const plan = () => {
    clearTimeout(timer);
    const waits = parts().map((part) => Number(part.dataset.refresh)).filter((wait) => wait > 0);
    if (waits.length === 0 || document.hidden) return;
    timer = setTimeout(() => look().finally(plan), Math.min(...waits) * SECOND);
  };

  document.addEventListener('visibilitychange', () => (document.hidden ? plan() : look().finally(plan)));
  plan();

  // --- ask -----------------------------------------------------------------------------------

  const element = (name, text, classes = '') => {
    const made = document.createElement(name);
    made.textContent = text;
    made.className = classes;
    return made;
  };

  // Answers whether the deed is wanted. Escape and the first button say no: the key that is nearest does no harm.
  const ask = (question, button) =>
    new Promise((decide) => {
      const dialog = element('dialog', '');
      const words = element('p', question);
      words.id = 'question';
      dialog.setAttribute('aria-labelledby', words.id);
      const row = element('div', '', 'actions');
      const no = element('button', 'Leave it');
      const yes = element('button', button.textContent.trim().replace(/…$/, ''), button.className || 'primary');
      row.append(no, yes);
      dialog.append(words, row);
      document.body.append(dialog);
      let wanted = false;
      no.addEventListener('click', () => dialog.close());
      yes.addEventListener('click', () => {
        wanted = true;
        dialog.close();
      });
      dialog.addEventListener('close', () => {
        dialog.remove();
        button.focus();
        decide(wanted);
      });
      dialog.showModal();
    });

  const sent = new WeakSet();
  const asked = new WeakSet();

  document.addEventListener('submit', async (event) => {
    const form = event.target;
    if (form.method !== 'post') return;
    if (sent.has(form)) return event.preventDefault(); // a double click is one deed
    if (!form.dataset.ask || asked.has(form)) {
      sent.add(form);
      return;
    }
    event.preventDefault();
    const button = event.submitter ?? form.querySelector('button');
    if (!(await ask(form.dataset.ask, button))) return;
    asked.add(form);
    form.requestSubmit(event.submitter);
  });
})();

"""Questions on pages, events, forms, requests and storage; `entries.py` tells the notation."""

TEXT = r"""
# elements
* the element does not change | working with the page | my script does not find the element
- The page is plain HTML. | It works when I type it into the console. | The markup is made by a template.

? How do I select an element by id or class?
= document.querySelector('#id') gives the first match, document.querySelectorAll('.name') all.
~ get an element by class name | find an element in the page | select elements with CSS selectors | Why does
  getElementsByClassName return a list?
- The result is a collection and not an element. | I know the class and need the first of them. | jQuery did this with a
  dollar sign.
> document.getElementsByClassName('box').style;

? Why is getElementById null?
= The script runs before the element is there. Load it with defer, or wait for DOMContentLoaded; check the id too.
~ Why is my element not found? | wait until the DOM is ready | run a script after the page has loaded | Why does
  querySelector return null?
- The script is in the head. | The element is in the file, but the result is null. | Setting a handler fails with null.
> document.getElementById('menu').onclick = open;

? How do I change the text of an element?
= element.textContent = text. innerHTML would read the text as HTML, which is unsafe with what users type.
~ set the text of an element | What is the difference between innerHTML and textContent? | replace the content of a div
  | show a variable in the page
- The total should appear in the page. | Tags in the text are shown as markup. | value does nothing for a paragraph.
> box.innerHTML = comment;

? How do I add or remove a CSS class?
= element.classList.add('open'), remove, toggle and contains.
~ toggle a class on click | add a class without removing the others | check if an element has a class | switch a class
  on and off
- Setting className removes the other classes. | The menu should open and close with a click. | How is it tested whether
  the class is there?
> menu.className = 'open';

? How do I change the style of an element?
= element.style.backgroundColor = 'red' sets inline style, in camel case; getComputedStyle(element) reads what holds.
~ set the colour with a script | Why is style empty? | read the computed style | change CSS from code
- Reading the width from style gives an empty text. | The name with a dash is a syntax error. | The colour should depend
  on the value.
> box.style.background-color = 'red';

? How do I show or hide an element?
= Set element.hidden = true or a class with display: none; checkVisibility tells whether it is visible.
~ hide a div | toggle the visibility of an element | check if an element is visible | show a section on click
- The details should appear after a click. | Hidden parts still take space. | The other sections must vanish.
> details.style.visibility = 'hidden';

? How do I create an element and add it to the page?
= const item = document.createElement('li'); item.textContent = text; list.append(item).
~ append a new element | insert HTML into the page | add a list item dynamically | put an element before another
- For each entry there should be a list item. | Adding to innerHTML removes the handlers of the others. | The new one
  belongs in front of the first.
> list.innerHTML += '<li>';

? How do I remove an element from the page?
= element.remove(), or parent.replaceChildren() to remove all children.
~ delete an element | remove all children of a node | clear a div | take a row out of a table
- The row should vanish after a click on its button. | Only every second child is removed by my loop. | The old results
  must go before the new ones.
> for (const child of list.children) list.removeChild(child);

? How do I loop over the elements of a selector?
= querySelectorAll gives a NodeList with forEach and for...of; [...list] makes an array for map and filter.
~ iterate over a NodeList | convert an HTMLCollection to an array | do something with each selected element | Why is map
  not a function on a NodeList?
- map is not a function on the result. | All the boxes should become red. | The collection changes while I loop over it.
> document.querySelectorAll('.box').map(hide);

? How do I read and set data attributes?
= element.dataset.userId reads data-user-id; all values are strings.
~ get a data attribute | store data in an element | get the id from a clicked row | set an attribute of an element
- The row has the id of the user in an attribute. | The name has dashes and I get undefined. | The number comes back as
  text.
> row.data-user-id;

? How do I get the position or size of an element?
= element.getBoundingClientRect() gives both relative to the window; add scrollY for the page.
~ get the width and height of a div | find the coordinates of an element | get the size of the window | check if an
  element is in the viewport
- The tooltip should be next to the button. | The width in style is empty. | I want to know whether it is scrolled into
  view.
> box.style.width;

? How do I scroll to an element?
= element.scrollIntoView({behavior: 'smooth'}); window.scrollTo(0, 0) goes to the top.
~ scroll to the top of the page | scroll smoothly to a section | keep a chat scrolled to the bottom | jump to an anchor
  with a script
- The new message is below the visible part. | A click on the menu should go down to the section. | It jumps and does
  not glide.
> location.hash = 'section';

? How do I load a script dynamically?
= Create a script element, set src and onload, and append it; or await import('./file.js') for modules.
~ include a script from another script | load a library on demand | wait for a script to load | add a script tag from
  code
- The map library is needed on one page only. | Right after adding the tag it is not defined yet. | The script tag in
  innerHTML is not run.
> box.innerHTML = '<script>';

# events
* my handler does not run | click trouble | handling an event
- The button is inside a card. | It works with the first one only. | Nothing is in the console.

? How do I add a click handler to a button?
= button.addEventListener('click', event => {...}); onclick holds one handler only.
~ react to a click | Why does my click handler not work? | use addEventListener | call a function when a button is
  clicked
- Nothing happens on a click. | The second handler replaces the first. | In the HTML there is an attribute, which I want
  to avoid.
> button.addEventListener('onclick', save);

? Why does my event handler not work for elements added later?
= Handlers belong to elements that exist. Listen on the container and use event.target.closest('.item').
~ use event delegation | attach events to dynamic elements | handle clicks on new list items | add a listener to future
  elements
- The entries that come later do not react. | With the first ones it works. | Adding the listener after each insert
  feels wrong.
> document.querySelectorAll('.item').forEach(listen);

? What is the difference between event.target and currentTarget?
= target is the innermost element that was hit, currentTarget the one that has the handler.
~ get the element that was clicked | Why is event.target a child element? | find the button in an event handler | What
  is event bubbling?
- A click on the icon gives the icon and not the button. | I need the element that has the listener. | The event comes
  up from the inner to the outer.
> event.target.dataset.id;

? How do I stop an event from bubbling?
= event.stopPropagation() keeps it from the parents; event.preventDefault() only stops the browser's own action.
~ prevent the click of the parent | What is the difference between preventDefault and stopPropagation? | Why does the
  outer handler run too? | close a menu on a click outside
- A click on the button also opens the card. | Both handlers run. | Returning false did it in jQuery.
> card.onclick = open; button.onclick = remove;

? How do I prevent a form or link from its default action?
= Call event.preventDefault() in the submit or click handler.
~ stop a form from reloading the page | Why does the page reload on submit? | prevent a link from navigating | submit a
  form without reload
- On submit the page reloads and the data is gone. | The link jumps to the top. | The handler runs and then all is
  reset.
> form.onsubmit = () => save();

? How do I remove an event listener?
= removeEventListener needs the same function: keep it in a variable, or pass {once: true} or an AbortSignal.
~ unbind a handler | Why does removeEventListener not work? | run a handler only once | detach an event
- After closing it still reacts. | The anonymous function cannot be removed. | It should only happen the first time.
> button.removeEventListener('click', () => save());

? How do I detect which key was pressed?
= Listen to keydown and look at event.key, such as 'Enter' or 'Escape'; keyCode is deprecated.
~ react to the enter key | detect escape | listen for keyboard events | handle arrow keys
- Enter in the field should start the search. | keyCode is crossed out by the editor. | The arrow keys should move the
  figure.
> if (event.keyCode == 13) { }

? How do I trigger an event from code?
= element.click(), form.requestSubmit(), or element.dispatchEvent(new Event('change', {bubbles: true})).
~ simulate a click | fire a change event | dispatch a custom event | Why does setting the value not fire change?
- Setting the value from a script does not call the handler. | The test should press the button. | Two components should
  tell each other things.
> input.value = 'x';

? How do I detect a click outside of an element?
= Listen on document and close unless box.contains(event.target).
~ close a dropdown when clicking elsewhere | hide a popup on an outside click | detect that the focus has left | close a
  modal by clicking next to it
- The menu stays open when one clicks somewhere else. | A click inside must not close it. | It opens and closes at once.
> document.onclick = close;

# forms
* the form does not send what I expect | reading a form | the input is not right
- The form has a dozen fields. | The user can edit it again. | It is an ordinary form without a framework.

? How do I get the value of an input?
= input.value is the text at that moment; read it in the handler, not while the page loads.
~ read a text field | Why is the input value empty? | get what the user typed | get the value of a textarea
- The value is empty although I typed something. | It shows the value from the start of the page. | innerHTML of the
  field is empty.
> const name = input.value; button.onclick = () => alert(name);

? How do I check whether a checkbox is checked?
= checkbox.checked is true or false; value is only what would be sent.
~ get the state of a checkbox | Why is the checkbox value always on? | set a checkbox from code | get all checked boxes
- The value is on in both cases. | The button should be active once the terms are accepted. | How is it ticked by a
  script?
> if (terms.value) { }

? How do I get the selected option of a dropdown?
= select.value is its value, select.selectedOptions[0].text its text; set select.value to choose one.
~ read the value of a select | get the text of the selected option | change the selected option | fill a select with
  options
- I need the text and not the value. | On load the third entry should be chosen. | With several choices only the first
  comes back.
> select.options.value;

? How do I get which radio button is selected?
= form.elements.size.value gives the value of the chosen one of the group named size.
~ read a radio group | find the checked radio button | get the value of radio inputs | clear a radio selection
- There are three of them with the same name. | I always get the value of the first. | A loop over all of them seems
  long.
> document.querySelector('[name=size]').value;

? How do I send a form as JSON?
= Object.fromEntries(new FormData(form)) collects it; send it with fetch, method POST and JSON.stringify as body.
~ convert form data to an object | submit a form with fetch | serialise a form | collect all the fields of a form
- The API wants JSON and not the usual encoding. | Reading each field on its own is tedious. | The body arrives empty.
> fetch(url, { body: form });

? How do I upload a file with JavaScript?
= Put input.files[0] into a FormData and send it with fetch; do not set the Content-Type yourself.
~ send a file with fetch | upload an image without a form | show a preview of an image before upload | read a file that
  the user has chosen
- The server says that the boundary is missing. | Only the name arrives and not the content. | A progress bar would be
  nice.
> body: JSON.stringify(input.files)

? How do I validate a form before it is sent?
= Use required, pattern and type in the markup and form.reportValidity(); setCustomValidity for own rules. Check on the
  server as well.
~ check the fields of a form | show an error message next to an input | prevent submit when a field is empty | make a
  field required
- An empty name must not be sent. | The message should be below the field. | The two passwords have to be equal.
> if (name == '') return false;

? How do I disable a button until a form is complete?
= Listen to input on the form and set button.disabled = !form.checkValidity().
~ enable the submit button only when all fields are filled | disable a button | prevent a double submit | activate a
  button after input
- The button should be grey until all is filled. | A double click sends the order twice. | Setting disabled to the text
  false does not enable it.
> button.setAttribute('disabled', 'false');

# requests
* the request fails | no data from the server | calling an API does not work
- The same address works in the address bar. | The network tab shows the request. | The backend is not mine.

? Why is my request blocked by CORS?
= The other server must allow your origin with the header Access-Control-Allow-Origin. It cannot be switched off in the
  page: let your own server fetch it, or ask the owner.
~ What does no Access-Control-Allow-Origin header mean? | fix a CORS error | call an API on another domain | Why does
  the request work in Postman but not in the browser?
- The console says blocked by CORS policy. | With curl it works. | The frontend runs on another port than the backend.
> fetch('https://api.example.com/users');

? How do I read JSON from a response with fetch?
= const data = await (await fetch(url)).json(): json returns a promise too.
~ get data with fetch | Why is the response body a ReadableStream? | use fetch with await | read the text of a response
- The body is a stream and not my data. | In the log there is a promise. | The first then only has the headers.
> fetch(url).then(r => console.log(r.body));

? How do I send a POST request with JSON?
= fetch(url, {method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify(data)}).
~ post data to a server | Why is the request body empty on the server? | send an object with fetch | set headers of a
  request
- On the server the body is empty. | The object arrives as object Object. | The header for the type is missing, they
  say.
> fetch(url, { method: 'POST', body: data });

? Why does fetch not throw on 404 or 500?
= fetch rejects only where no answer came. Check response.ok or status and throw yourself.
~ handle HTTP errors with fetch | Why is catch not called for a 500? | check the status of a response | detect a failed
  request
- The server answers with an error but catch is not run. | Parsing the error page throws later. | A wrong address should
  show a message.
> fetch(url).then(r => r.json()).catch(show);

? How do I cancel a fetch request?
= Pass the signal of an AbortController and call abort(); AbortSignal.timeout(ms) sets a time limit.
~ abort a request | set a timeout for fetch | ignore the old response when a new one is sent | stop a request when the
  user leaves
- While typing older answers overwrite newer ones. | It hangs for minutes when the server is down. | The component is
  gone when the answer arrives.
> fetch(url, { timeout: 5000 });

? How do I send cookies or credentials with a request?
= fetch(url, {credentials: 'include'}); the server must answer with Allow-Credentials and a named origin, not *.
~ include cookies in fetch | Why is the session lost in my request? | send an authorization header | Why is the user not
  logged in for requests?
- Each request starts a new session. | The cookie is set but it is not sent. | The login works but the next call says
  401.
> fetch('https://api.example.com/me');

? How do I add query parameters to a URL?
= new URLSearchParams({q: text, page: 2}) encodes them: `${url}?${params}`.
~ build a query string | encode a URL parameter | use encodeURIComponent | pass parameters in a GET request
- An ampersand in the text breaks the address. | Spaces and umlauts arrive wrong. | Gluing texts with question mark and
  ampersand is error prone.
> fetch(url + '?q=' + text);

? How do I get query parameters from the URL?
= new URLSearchParams(location.search).get('page').
~ read the parameters of the address | parse a query string | get the value after the question mark | know which page
  was asked for
- The address has page=2 at its end. | Plus signs come out wrong with my own parsing. | A parameter may be there several
  times.
> location.href.split('?')[1];

? How do I download a file from JavaScript?
= Make a link with URL.createObjectURL(blob) as href and the download attribute, click it, and revoke the URL.
~ save text as a file | start a download with a script | export a table as CSV | download a response as a file
- The user should get a CSV of the table. | The file opens in the tab and is not saved. | The data exists in a variable
  only.
> window.open('data:text/csv,' + text);

? How do I receive live updates from a server?
= EventSource for one direction, WebSocket for both; both need the server's part, and reconnection for WebSocket.
~ push data to the browser | use a WebSocket | poll a server for changes | get notified of new messages
- New messages should appear without reloading. | Asking each second is heavy for the server. | The connection breaks
  after a while.
> setInterval(() => fetch(url), 1000);

# window and storage
* data is gone after reload | browser window question | keeping something in the browser
- The user may open several tabs. | It should survive a restart. | The data is small.

? How do I store an object in localStorage?
= localStorage.setItem('user', JSON.stringify(user)) and JSON.parse(localStorage.getItem('user')): it holds strings
  only.
~ save an object in the browser | Why is there [object Object] in localStorage? | keep an array in local storage | store
  data in the browser
- What comes back is the text object Object. | After a reload the list should still be there. | Reading a field gives
  undefined.
> localStorage.user = user;

? What is the difference between localStorage, sessionStorage and cookies?
= localStorage stays, sessionStorage ends with the tab, cookies are small and sent with every request. None is safe for
  secrets that scripts must not see; HttpOnly cookies are.
~ Where should a token be stored? | When is sessionStorage cleared? | choose between cookie and local storage | How long
  does local storage live?
- The token must be kept somewhere. | After closing the tab it should be gone. | I do not know which of them the server
  sees.
> sessionStorage.token = token;

? How do I set and read a cookie?
= document.cookie = 'theme=dark; max-age=31536000; path=/' sets one; reading gives all as one string to split.
~ read a cookie by name | delete a cookie | set a cookie with an expiry | Why is my cookie not set?
- Reading gives one text with all of them. | It disappears when the browser is closed. | I cannot see the one that the
  server sets.
> document.cookie['theme'];

? How do I redirect to another page?
= location.href = url; location.replace(url) leaves no entry in the history.
~ go to another URL | navigate with a script | open a link in a new tab | redirect after login
- After the login the user should get to the start page. | The back button returns to the form. | It should open in a
  new tab.
> window.redirect('/home');

? How do I reload the page?
= location.reload(); to see new files, the server must send fitting cache headers or changed file names.
~ refresh the page from a script | reload without cache | Why does the browser show the old script? | reload after
  saving
- After saving the list should be fresh. | The browser keeps showing the old version of the file. | Only a part of the
  page needs to be new.
> window.refresh();

? How do I change the URL without reloading?
= history.pushState(state, '', url), and listen to popstate for the back button.
~ update the address bar with a script | use the history API | handle the back button | change the query string without
  a reload
- The filter should be in the address so that it can be shared. | Setting the location loads the page again. | The back
  button leaves the site.
> location.search = '?page=2';

? How do I copy text to the clipboard?
= await navigator.clipboard.writeText(text), in a click handler and on a secure page.
~ put text on the clipboard | add a copy button | copy the content of an element | Why does copying not work without
  https?
- A click should copy the code. | It works on localhost only. | execCommand is crossed out by the editor.
> document.execCommand('copy');

? How do I detect a mobile device or the browser?
= Test for the feature, or a media query with matchMedia('(max-width: 600px)'); the user agent lies.
~ find out which browser is used | check for a touch screen | detect a phone | know whether the page is on a small
  screen
- On phones the menu should be different. | The text of the user agent is long and strange. | Some function is missing
  in Safari.
> if (navigator.userAgent.includes('Mobile')) { }

? How do I warn the user before leaving the page?
= Listen to beforeunload and call event.preventDefault() while there are unsaved changes; the text cannot be chosen.
~ ask before closing the tab | detect that the page is closed | confirm leaving with unsaved changes | run code before
  unload
- Changes get lost when the tab is closed. | My own message is not shown. | A request at this moment is not sent.
> window.onunload = () => confirm('Sure?');

? Why do I get escaped or dangerous HTML from user input?
= Use textContent, or a sanitizer where markup is wanted: innerHTML with user text lets scripts run (XSS).
~ prevent cross site scripting | escape HTML in a string | show user text safely | sanitise HTML
- Somebody entered a script tag as name. | Angle brackets vanish from the comment. | The text should be shown as it was
  typed.
> comment.innerHTML = text;
"""

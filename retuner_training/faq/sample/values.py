"""Questions on numbers, strings, dates and types; `entries.py` tells the notation."""

TEXT = r"""
# numbers
* my calculation with numbers gives a wrong result | a number is not what I expect | odd behaviour of a number
- The value looks like a number but the result is wrong. | I only need the plain number at the end. | The total that is
  shown to the customer is off.

? Why is 0.1 + 0.2 not equal to 0.3?
= Numbers are binary floating point, and 0.1 has no exact binary form. Compare with a tolerance, as in Math.abs(a - b) <
  Number.EPSILON, or calculate in whole cents.
~ Why do decimals add up to 0.30000000000000004? | Is floating point math broken? | avoid rounding errors when adding
  decimals | Why is the sum of two prices slightly wrong?
- The sum of two decimals has a long tail of zeros and a four at the end. | Adding prices gives strange digits after the
  comma. | The comparison of the sum with the expected decimal is false.
> 0.1 + 0.2 === 0.3; // false

? How do I round a number to two decimal places?
= Use Number(value.toFixed(2)), or Math.round(value * 100) / 100 where a number is needed. toFixed returns a string.
~ round to 2 decimals | limit a number to two digits after the decimal point | Why does Math.round only give integers? |
  round a price to cents
- I have 10.237 and want 10.24. | Math.round cuts off all the decimals. | The amount must be shown with at most two
  digits.
> const rounded = Math.round(10.237);

? How do I format a number with thousands separators?
= Use value.toLocaleString('en-US'), or an Intl.NumberFormat where many numbers are formatted.
~ put commas between the thousands | print a number as 1,234,567 | format a large number for people to read | show a
  number as currency with separators
- 1234567 should be displayed as 1,234,567. | The report is hard to read without commas between groups of digits. | I
  tried a regular expression for the commas but it fails with decimals.
> const total = 1234567.891;

? How do I convert a string to a number?
= Use Number(text) for the whole text, parseInt(text, 10) for a leading integer, parseFloat(text) for a leading decimal.
~ turn a string into an integer | parse text as a number | cast a string to int | convert the value of an input to a
  number
- The value comes from an input field, so it is a string. | Adding one to it gives 51 instead of 6. | The plus sign
  glues the digits together instead of adding.
> const age = '5'; age + 1; // '51'

? Why does parseInt return NaN or the wrong number?
= parseInt stops at the first character that is no digit and returns NaN if it is the first one. Pass the radix 10, and
  do not give it to map directly, which passes the index as radix.
~ Why does map with parseInt give NaN? | What is the radix of parseInt for? | Why is the parsed integer NaN? | parse
  integers of an array without NaN
- Mapping a list of digit strings gives 1, NaN, NaN. | The second parsed value is not a number. | With a leading zero
  the parsed value was different in an old browser.
> ['1', '2', '3'].map(parseInt);

? How do I generate a random integer in a range?
= Math.floor(Math.random() * (max - min + 1)) + min gives an integer from min to max, both included.
~ get a random whole number between two values | roll a die with random numbers | pick a random number from 1 to 6 |
  create random integers
- I need a number between 1 and 6, both included. | The maximum never comes up with my formula. | Math.random returns
  only fractions between zero and one.
> Math.random() * 6;

? How do I check whether a value is NaN?
= Use Number.isNaN(value): NaN is the only value that is not equal to itself, so comparing with === never works.
~ test for NaN | Why is NaN not equal to NaN? | detect that a value is not a number | Why does comparing with NaN fail?
- The comparison with NaN is always false. | The calculation yields not a number and I want to catch this case. | The if
  branch for not a number never runs.
> if (result === NaN) { warn(); }

? How do I check whether a value is a number?
= typeof value === 'number' tells the type; Number.isFinite(value) also excludes NaN and Infinity.
~ validate that input is numeric | test if a variable is a number | find out whether a string is numeric | Is there an
  isNumeric function?
- The user may type letters where digits are expected. | I must refuse everything that is not numeric. | typeof says
  string even where the text consists of digits.
> function isNumeric(value) { }

? How do I check whether a number is an integer?
= Number.isInteger(value) is true for whole numbers only, 5.0 included.
~ test that a number is whole | see if a number has decimals | distinguish an integer from a float | Does a number have
  a fractional part?
- 5 is fine but 5.5 must be refused. | The quantity has to be a whole number. | I tried the remainder operator but it
  accepts strings as well.
> if (quantity % 1 === 0) { }

? How do I convert a number to hexadecimal or binary?
= value.toString(16) gives hexadecimal and value.toString(2) binary; parseInt(text, 16) goes back.
~ print a number in base 16 | turn decimal into binary | convert an integer to hex | get the bits of a number as text
- I have the number 255 and need ff. | The colour code must be in base 16. | The flags should be shown as zeros and
  ones.
> (255).toString();

? How do I do integer division?
= Math.trunc(a / b) drops the fraction; Math.floor(a / b) rounds down, which differs for negative numbers.
~ divide two numbers without a remainder | get the quotient and the remainder | divide and drop the decimals | Is there
  an operator for whole division?
- 7 divided by 2 should be 3. | I need both the quotient and the remainder. | The slash operator always returns a
  fraction.
> 7 / 2; // 3.5

# strings
* help with a string | text comes out wrong | how to process this text | string manipulation question
- The text comes from a user. | I only want to change the text in one place. | It is a plain string, nothing special.

? How do I check whether a string contains a substring?
= Use text.includes(part); in very old browsers text.indexOf(part) !== -1.
~ find out if a string contains another string | test for a substring | look for a word in a text | Is there a contains
  method for strings?
- I want to know if the sentence has a certain word in it. | I tried contains but it is not a function. | The search
  should only tell yes or no.
> 'hello world'.contains('world');

? How do I replace all occurrences of a string?
= Use text.replaceAll(from, to), or text.replace(/from/g, to): replace with a string changes the first match only.
~ replace every occurrence in a text | Why does replace only change the first match? | substitute all matches in a
  string | replace a character everywhere
- Only the first match is changed, the rest stays. | All the dashes should become spaces. | I called replace in a loop
  but that cannot be right.
> 'a-b-c'.replace('-', ' ');

? How do I make the first letter of a string uppercase?
= text.charAt(0).toUpperCase() + text.slice(1) changes the first letter and keeps the rest.
~ capitalize the first letter | convert the first character to upper case | turn names into title case | capitalise a
  word
- The name is stored in lower case and should begin with a capital. | toUpperCase changes the whole word. | Every word
  of the title should start with a capital letter.
> 'anna'.toUpperCase();

? How do I reverse a string?
= [...text].reverse().join('') reverses by code point; split('') would break emoji apart.
~ reverse the characters of a text | turn a string around | print a word backwards | check for a palindrome by reversing
- The word should be spelled backwards. | Strings have no reverse method. | For a palindrome check I compare the text
  with its mirror image.
> 'abc'.reverse();

? How do I pad a number with leading zeros?
= String(value).padStart(2, '0') fills up to the given length on the left.
~ add leading zeros | Why do the zeros in front disappear? | show 5 as 05 | fill a string up to a fixed length
- The minutes should always have two digits. | 7 must be shown as 007. | The order number loses its zeros in front.
> hours + ':' + minutes;

? How do I remove white space from a string?
= text.trim() removes it at both ends; text.replace(/\s+/g, '') removes it everywhere.
~ trim a string | strip spaces from text | remove all blanks | get rid of leading and trailing spaces
- The user typed blanks before and after the name. | The pasted text has tabs and line breaks at the end. | Comparing
  fails because of an invisible space.
> '  name '.length;

? How do I split a string into an array?
= text.split(',') cuts at every comma; a regular expression as separator, text.split(/[,;]\s*/), cuts at several.
~ split text at commas | break a string into words | cut a string at a separator | turn a comma separated list into an
  array
- The server returns one line with values between commas. | I need the words of the sentence one by one. | Some entries
  are separated by a semicolon.
> 'red,green,blue'

? How do I insert variables into a string?
= Use a template literal with backticks: `Hello ${name}`. Single and double quotes do not interpolate.
~ use string interpolation | Why is the dollar sign placeholder not replaced? | build a text out of variables | format a
  string with placeholders
- The placeholder is printed literally. | I am tired of plus signs between texts and variables. | Is there something
  like printf for messages?
> 'Hello ${name}'

? How do I write a string over several lines?
= Use a template literal with backticks, which keeps the line breaks, or join an array of lines with '\n'.
~ create a multiline string | break a long string over lines | put a line break into a string | Why is my string
  unterminated?
- The text has several paragraphs and the editor marks an unterminated string. | A long query is unreadable on one line.
  | I get an illegal token at the end of the line.
> const text = 'first line

? How do I compare strings ignoring case?
= Compare a.toLowerCase() === b.toLowerCase(), or a.localeCompare(b, undefined, {sensitivity: 'accent'}) === 0.
~ do a case insensitive comparison | compare two words regardless of upper case | Why are equal words in different case
  not equal? | match text without looking at case
- Anna and ANNA should be treated as the same. | The login fails when the user types a capital letter. | Upper and lower
  case should not matter.
> if (input === 'anna') { }

? How do I shorten a long string with an ellipsis?
= text.length > n ? text.slice(0, n - 1) + '…' : text; in a page, the CSS text-overflow: ellipsis does it without code.
~ truncate a string | cut off text after some characters | limit the length of a text and add dots | show a preview of
  text
- The title is too long for the card. | After fifty characters there should be three dots. | Short texts must stay as
  they are.
> title.length > 50

? How do I repeat or count characters in a string?
= text.repeat(n) repeats; text.split(part).length - 1 counts how often a part occurs.
~ count the occurrences of a character | How often does a letter occur in a word? | repeat a string n times | count the
  matches of a substring
- I want to know how many times the letter e is in the word. | The separator line should be forty dashes. | A loop over
  all letters feels clumsy for counting.
> 'banana'

# dates
* a date is wrong | trouble with the date | working with dates | the time is not right
- The server and the browser disagree about it. | The date is picked in a calendar. | I would rather not add a library.

? How do I format a date as YYYY-MM-DD?
= date.toISOString().slice(0, 10) gives the date in UTC; for local time use Intl.DateTimeFormat('sv-SE').format(date).
~ print a date in ISO format | convert a date to a string like 2024-01-31 | format a date without a library | display
  the date with day and month
- I want 2024-01-31 and not the long text with the time zone. | toString prints the weekday and GMT. | The backend
  expects year, month and day with dashes.
> new Date().toString();

? How do I get the difference between two dates in days?
= Math.round((b - a) / 86400000): subtracting dates gives milliseconds. Rounding takes care of daylight saving time.
~ calculate the days between two dates | count the days until a deadline | subtract one date from another | How many
  days lie between two dates?
- The countdown should show the days that are left. | Subtracting gives a huge number. | The user picks arrival and
  departure and I need the nights.
> const days = end - start;

? How do I add days to a date?
= date.setDate(date.getDate() + n) rolls over months by itself; it changes the date, so copy it first.
~ add a week to a date | get the date of tomorrow | compute a due date | subtract days from today | move a date forward
- The invoice is due in fourteen days. | At the end of the month the day becomes 32. | I need the date of tomorrow and
  of yesterday.
> new Date() + 14;

? Why is the month in a date off by one?
= Months count from 0 to 11 in new Date(year, month, day) and getMonth(); days count from 1.
~ Why does getMonth return the wrong month? | Why is January zero? | Why does my date land in the next month? | get the
  right month number
- In December it returns eleven. | The constructor makes February out of a one. | The day is right but the month before
  is shown.
> new Date(2024, 1, 31);

? Why is my date one day off?
= new Date('2024-01-31') is midnight UTC, which is the day before west of Greenwich. Parse the parts and use new
  Date(2024, 0, 31) for local midnight.
~ Why does parsing a date string shift the day? | stop the time zone from changing the date | Why is the day before
  displayed? | parse a date as local time
- The string says the 31st but the page shows the 30th. | Users in America see the previous day. | With a time in the
  string the problem goes away.
> new Date('2024-01-31').getDate();

? How do I compare two dates?
= Compare with < and >, or compare a.getTime() === b.getTime(): two date objects are never equal with ===.
~ test whether two dates are equal | check that a date is in the past | see which date is later | Why are equal dates
  not equal?
- Both show the same day but the equality check is false. | I must refuse a date before today. | One of them is earlier
  and I need to know which.
> new Date(0) === new Date(0);

? How do I get the current time in milliseconds?
= Date.now() gives milliseconds since 1970; for measuring durations performance.now() is finer and never jumps.
~ get a timestamp | get the unix time | measure how long a function takes | get the current time in seconds
- I want to know how long the loop takes. | The API wants seconds since 1970. | The file name should have a timestamp.
> new Date();

? How do I check that a date is valid?
= Number.isNaN(date.getTime()) is true for an invalid date; note that the 31st of February rolls over to March.
~ detect an invalid date | validate a date typed by the user | Why do I get Invalid Date? | test a string for a real
  date
- The page shows Invalid Date. | The user may type the 31st of February. | I need to refuse nonsense in the date field.
> new Date('tomorrow');

? How do I convert a date to another time zone?
= date.toLocaleString('en-US', {timeZone: 'America/New_York'}) shows it there; the date itself is a point in time
  without a zone.
~ show a time in a different time zone | convert UTC to local time | display the local time of another city | get the
  time zone of the user
- The server sends UTC and the page should show local time. | The meeting is in New York and the user in Berlin. | The
  offset is wrong in summer.
> date.getTimezoneOffset();

# types
* two values compare strangely | a variable has an unexpected value | the type of a variable is not what I think
- I come from another language, where this is simple. | The condition takes the wrong branch. | The debugger shows
  nothing special.

? What is the difference between == and ===?
= === compares without conversion; == converts the types first, so that '' == 0 is true. Prefer ===.
~ Which equals operator should be used? | Why does double equals say that different values are equal? | What do three
  equals signs mean? | compare without type conversion
- The linter tells me to write three equals signs. | An empty string is equal to zero, which I do not understand. | A
  string with a digit equals the number.
> '' == 0; // true

? What is the difference between null and undefined?
= undefined means that nothing was assigned, null that somebody said there is nothing. value == null is true for both.
~ When is a variable undefined and when null? | Should a function return null or undefined? | Why is there null when
  there is undefined? | tell null from undefined
- Some functions return one and some the other. | typeof null says object. | I do not know which one to use for an empty
  result.
> typeof null; // 'object'

? How do I check whether a variable is undefined or null?
= value == null is true for both; value?.name reads a property without an error; value ?? other gives a default.
~ test that a variable exists | check for null before using a value | see if a variable is defined | handle a missing
  value
- Sometimes the variable has not been set at all. | I must check that the value is there before using it. | A zero is
  treated like a missing value by my check.
> if (value) { }

? Which values are falsy?
= false, 0, -0, 0n, '', null, undefined and NaN are falsy; all others are truthy, also [], {} and '0'.
~ What counts as true in an if? | Why is an empty array true? | Why does my if treat zero as missing? | understand
  truthy and falsy values
- An empty list in a condition counts as true. | Zero is a legal amount but my if skips it. | The string with a zero in
  it behaves differently from the number.
> if ([]) { alert('here'); }

? How do I find out the type of a variable?
= typeof value for primitives and functions, Array.isArray(value) for arrays, value instanceof Class for classes.
~ get the type of a value | Why does typeof return object for arrays? | see which class an object has | check for a
  certain type
- typeof says object for nearly everything. | My function accepts several types and must tell them apart. | I need the
  name of the class.
> typeof [];

? How do I check whether a value is an array?
= Array.isArray(value) is right, also for arrays of another frame, where instanceof fails.
~ test if something is an array | tell an array from an object | Is this a list or a single value? | detect arrays
- typeof gives object for a list. | The function may get one item or several of them. | The check fails for a list from
  an iframe.
> typeof list === 'array';

? How do I check whether a value is a string?
= typeof value === 'string'; strings made with new String are objects and should be avoided.
~ test if a variable is a string | make sure that an argument is text | distinguish a string from a String object |
  detect string values
- The argument may be a number or text. | instanceof String is false for a literal. | Only text is allowed here.
> 'a' instanceof String;

? How do I convert a string to a boolean?
= text === 'true' is the conversion: Boolean('false') is true because the string is not empty.
~ parse true and false from text | Why is the string false truthy? | turn the word true into a boolean | cast to boolean
- The attribute holds the word false but the branch runs. | The settings file stores the flag as text. | Boolean of the
  text is always true.
> Boolean('false'); // true

? What does the double exclamation mark do?
= !!value converts to true or false: the first ! negates and converts, the second one negates back.
~ What is the not not operator? | What do two exclamation marks mean? | understand bang bang in code | convert any value
  to a boolean with operators
- I saw two exclamation marks in front of a name in a library. | A search engine ignores these characters. | It looks
  like a double negation to me.
> return !!user.name;

? What is the difference between let, const and var?
= let and const belong to the block and cannot be used before their line; var belongs to the function and is hoisted.
  const cannot be assigned again.
~ When should let be used instead of var? | Does const make an object immutable? | Which keyword declares a variable
  best? | understand the scope of let and var
- The tutorial uses three keywords to declare a variable. | The linter says that var should not be used. | A constant
  list can still be changed, which surprised me.
> var a = 1; let b = 2; const c = 3;
"""

import pytest

from spiders.reading.page_scripts import Call, call_arguments, calls, script_address, telling_calls


@pytest.mark.parametrize(
    ("script", "arguments"),
    [
        ("javascript:fn_view('12', 3);", ("12", "3")),
        ("javascript:void(0);goView('300','B01');", ("300", "B01")),
        ("event.preventDefault(); goView('300','B01');", ("300", "B01")),
        ('event.stopPropagation();board.goView( "300" ); return false;', ("300",)),
        ("return goView('300')", ("300",)),
        ("if (confirm('열까요?')) { goView('300'); }", ("300",)),
        ("goView(this, '300')", ("this", "300")),
        ("goView(this); openPost('300')", ("300",)),
        ("fn_view('a,b', 'it\\'s (3)')", ("a,b", "it's (3)")),
        ("goView(`300`)", ("300",)),
        ("goView(encodeURI('300'))", ("300",)),
        ("goView('30' + '0')", ("300",)),
        ("goView('', '300')", ("", "300")),
        ("location.href='view?no=300'", ("view?no=300",)),
        ("document.form.submit()", ()),
        ("void(0)", ()),
        ("alert('준비중')", ()),
        ("goView('30", ()),
        ("", ()),
    ],
)
def test_the_arguments_of_a_script_are_those_of_its_first_call_that_says_something(script, arguments):
    assert call_arguments(script) == arguments


def test_a_call_is_chosen_by_its_name_or_because_it_tells_the_rows_apart():
    scripts = [f"log('menu'); board.goView('{number}')" for number in (300, 301)]
    assert call_arguments(scripts[0]) == ("menu",)
    assert call_arguments(scripts[0], "goView") == call_arguments(scripts[0], "board.goView") == ("300",)
    assert call_arguments(scripts[0], "other") == ()
    assert call_arguments(scripts[1], among=telling_calls(scripts)) == ("301",)


@pytest.mark.parametrize(
    ("script", "address"),
    [
        ("location.href='view?no=1'", "view?no=1"),
        ("document.location = '/view/1'", "/view/1"),
        ('javascript:window.location.href="./view.do?a=1&b=2";', "./view.do?a=1&b=2"),
        ("window.open('/v/1','_blank')", "/v/1"),
        ("location.replace('1')", "1"),
        ('viewOpinion("http://a.example/?c=1&pdf=44646")', "http://a.example/?c=1&pdf=44646"),
        ("go('view.do?seq=1')", "view.do?seq=1"),
        ("location.href='\\/view\\u003fno=1'", "/view?no=1"),
        ("location.href='/view?no=' + 1", "/view?no=1"),
        ("if (location.href == 'x') goView('300')", ""),
        ("goView('300')", ""),
        ("location.href='#'", ""),
        ("fn('2026/11/28')", ""),
    ],
)
def test_the_address_that_a_script_opens(script, address):
    assert script_address(script) == address


def test_calls_are_given_in_order_with_their_whole_names():
    assert calls("a.b('1'); c(2)") == [Call("a.b", ("1",)), Call("c", ("2",))]


def test_where_every_call_differs_none_goes_before_the_others():
    assert telling_calls(["goView('1')", "goView('2')"]) == frozenset()

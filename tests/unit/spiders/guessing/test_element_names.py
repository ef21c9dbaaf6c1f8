import pytest
from lxml import etree

from spiders.guessing.element_names import with_class
from spiders.reading.selectors import compile_selector


@pytest.mark.parametrize(
    "name",
    ["subject", "tw:mr-1", "w-[40px]", "w-1/2", "2xl", "-mt-1", "--x", "a.b", "제목", "a>b", "a'b", '"', "\\", "🎈"],
)
def test_the_selector_of_a_class_finds_its_element_whatever_the_class(name: str) -> None:
    root = etree.fromstring("<div><p/><p/></div>")
    root[1].set("class", f"x {name}")
    assert compile_selector(with_class("p", name)).elements(root) == [root[1]]
